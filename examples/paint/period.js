// Online painting as pages wrote it in 2012: drawClick tells of a point of ours, draw of one of somebody else's. On
// its own server it was io.connect(). What it could not do then is one line each: strokes have the names of their
// painters, so that two at a time do not join, and who comes late gets the picture.

var state = document.getElementById('state');
var canvas = document.getElementsByTagName('canvas')[0];
var ctx = canvas.getContext('2d');
ctx.lineCap = 'round';

var last = {}; // of each stroke, by its name

function draw(name, x, y, type, color, size) {
  var from = type === 'dragstart' ? null : last[name];
  ctx.strokeStyle = color || '#ECD018';
  ctx.lineWidth = size || 5;
  ctx.beginPath();
  ctx.moveTo(from ? from.x : x, from ? from.y : y);
  ctx.lineTo(x, y);
  ctx.stroke();
  last[name] = { x: x, y: y };
}

function drawAll(stroke) {
  for (var i = 0; i < stroke.points.length; i++) {
    var type = i === 0 && stroke.type !== 'drag' && stroke.type !== 'dragend' ? 'dragstart' : 'drag';
    draw(stroke.id, stroke.points[i][0], stroke.points[i][1], type, stroke.color, stroke.size);
  }
}

function clear() {
  ctx.clearRect(0, 0, canvas.width, canvas.height);
  last = {};
}

if (typeof io === 'undefined') {
  state.innerHTML = 'needs npm: run make demo';
} else {
  var wanted = /[?&]transport=([a-z-]+)/.exec(location.search);
  if (wanted) io.transports = [wanted[1]];

  var socket = io.connect('', { resource: 'paint/socket.io' });
  socket.on('connect', function () { state.innerHTML = 'connected by ' + socket.socket.transport.name; });
  socket.on('disconnect', function () { state.innerHTML = 'disconnected'; });
  socket.on('draw', drawAll);
  socket.on('picture', function (strokes) {
    clear();
    strokes.forEach(drawAll);
  });
  socket.on('clear', clear);

  var dragging = false;
  var drag = function (type) {
    return function (e) {
      if (type !== 'dragstart' && !dragging) return;
      dragging = type !== 'dragend';
      var box = canvas.getBoundingClientRect();
      var x = e.clientX - box.left, y = e.clientY - box.top;
      draw('own', x, y, type);
      socket.emit('drawClick', { x: x, y: y, type: type });
    };
  };
  canvas.onmousedown = drag('dragstart');
  document.onmousemove = drag('drag');
  document.onmouseup = drag('dragend');
}
