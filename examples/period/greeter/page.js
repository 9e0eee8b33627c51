// A page that listens to a WebSocket handler, at the address of a file or of a controller.

var at = /[?&]at=controller/.test(location.search) ? '/IDGWeb/api/IDGWebSocket' : '/IDGWeb/IDGHandler.ashx';
var state = document.getElementById('status');

var ws = new WebSocket(location.origin.replace(/^http/, 'ws') + at);
ws.onopen = function () { state.textContent = 'Connected...'; };
ws.onclose = function () { state.textContent = 'Closed.'; };
ws.onmessage = function (e) {
  var line = document.createElement('li');
  line.textContent = e.data;
  document.getElementById('messages').appendChild(line);
};
