// A chat by a bare WebSocket. Who I am stands in the page's address, as it does in the socket's.

var username = new URLSearchParams(location.search).get('username');
var say = document.getElementById('say');
var message = document.getElementById('message');
var status_ = document.getElementById('status');

if (username) {
  connect();
} else {
  status_.textContent = 'Who are you?';
  document.getElementById('who').hidden = false;
}

function connect() {
  say.hidden = false;
  var ws = new WebSocket(location.origin.replace(/^http/, 'ws') + '/api/chat?username=' + encodeURIComponent(username));
  ws.onopen = function () {
    status_.textContent = 'You are ' + username + '.';
    say.querySelector('button').disabled = false;
    message.focus();
  };
  ws.onmessage = function (e) {
    var line = document.createElement('li');
    line.textContent = e.data;
    document.getElementById('messages').appendChild(line);
  };
  ws.onclose = function () {
    status_.textContent = 'The connection has ended. Load the page again to come back.';
    say.querySelector('button').disabled = true;
  };
  say.onsubmit = function (e) {
    e.preventDefault();
    if (ws.readyState !== 1 || !message.value) return;
    ws.send(message.value);
    message.value = '';
    message.focus();
  };
}
