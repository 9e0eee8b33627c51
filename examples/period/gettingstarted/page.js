// The chat of the tutorials, by the proxies that /signalr/hubs makes. What they did not have is a choice of the
// transport, in the page's address, and a line that tells which it is.

(function () {
  var state = document.getElementById('state');

  if (typeof jQuery === 'undefined' || !jQuery.connection) {
    state.innerHTML = 'needs npm: run make demo';
    return;
  }

  var wanted = /[?&]transport=([A-Za-z]+)/.exec(location.search);
  if (wanted && wanted[1] === 'foreverFrame') window.EventSource = undefined; // a client of a browser that has it takes no other

  $(function () {
    var chat = $.connection.chatHub;

    chat.client.broadcastMessage = function (name, message) {
      var encodedName = $('<div/>').text(name).html();
      var encodedMessage = $('<div/>').text(message).html();
      $('#discussion').append('<li><strong>' + encodedName + '</strong>: ' + encodedMessage + '</li>');
    };

    $('#displayname').val(prompt('Enter your name:', ''));
    $('#message').focus();

    $.connection.hub.stateChanged(function (change) {
      state.innerHTML = ['connecting', 'connected by ' + ($.connection.hub.transport || {}).name, 'reconnecting', '', 'disconnected'][change.newState];
    });

    $.connection.hub.start(wanted ? { transport: wanted[1] } : {}).done(function () {
      $('#sendmessage').prop('disabled', false).click(function () {
        chat.server.send($('#displayname').val(), $('#message').val());
        $('#message').val('').focus();
      });
    });

    $('#message').keydown(function (e) {
      if (e.which === 13) $('#sendmessage').click();
    });
  });
})();
