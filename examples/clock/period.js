// The server clock as pages wrote it in 2012. Only the address is ours: on its own server it was io.connect().

var time = document.getElementById('time');

if (typeof io === 'undefined') {
  time.innerHTML = 'needs npm: run make demo';
} else {
  var wanted = /[?&]transport=([a-z-]+)/.exec(location.search);
  if (wanted) io.transports = [wanted[1]];

  var socket = io.connect('', { resource: 'clock/socket.io' });
  socket.on('message', function (text) {
    time.innerHTML = text;
  });
}
