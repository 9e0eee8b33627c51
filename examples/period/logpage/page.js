// The first page that many wrote: it logs what happens to its WebSocket.

function log(text) {
  var line = document.createElement('li');
  line.textContent = text;
  document.getElementById('log').appendChild(line);
  console.log(text);
}

var ws = new WebSocket(location.origin.replace(/^http/, 'ws') + '/period/log/socket');

ws.onopen = function () {
  log('open');
  ws.send('Hello, server');
};
ws.onmessage = function (e) { log('message: ' + e.data); };
ws.onclose = function (e) { log('close: ' + e.code + (e.wasClean ? ', clean' : '')); };

var message = document.getElementById('message');
document.getElementById('say').onsubmit = function (e) {
  e.preventDefault();
  if (ws.readyState !== 1) return;
  ws.send(message.value);
  message.value = '';
};
document.getElementById('close').onclick = function () { ws.close(1000); };
