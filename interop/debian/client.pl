# Talks to an echo by one version of the protocol, with Debian's libprotocol-websocket-perl:
#
#   perl client.pl URL draft-ietf-hybi-00|draft-ietf-hybi-10|draft-ietf-hybi-17
#
# hybi-00 is draft 76, hybi-10 says version 8, hybi-17 version 13.
use strict;
use warnings;
use utf8;
use Encode ();
use IO::Socket::INET;
use Protocol::WebSocket::Frame;
use Protocol::WebSocket::Handshake::Client;

my ($url, $version) = @ARGV;
my $old = $version eq 'draft-ietf-hybi-00';
$SIG{ALRM} = sub { die "it took too long\n" };
alarm 60;

my $hs = Protocol::WebSocket::Handshake::Client->new(url => $url, version => $version);
$hs->req->subprotocol('echo');
my ($host, $port) = $hs->req->host =~ /^(.*):(\d+)$/ or die "no port in $url\n";
my $socket = IO::Socket::INET->new(PeerHost => $host, PeerPort => $port, Proto => 'tcp') or die "connect: $@\n";

sub say_raw {
	my $bytes = shift;
	while (length $bytes) {
		my $n = syswrite($socket, $bytes) or die "write: $!\n";
		substr($bytes, 0, $n, '');
	}
}

say_raw($hs->to_string);
my $in = '';
until ($hs->is_done) {
	sysread($socket, $in, 64 * 1024, length $in) or die "the server has hung up on the handshake\n";
	$hs->parse($in) or die 'the handshake: ' . $hs->error . "\n";
}
die "no subprotocol was agreed on\n" unless ($hs->res->subprotocol // '') eq 'echo';
if ($old) {
	die 'the server calls itself ' . $hs->res->location . ", not $url\n" unless $hs->res->location eq $url;
	die "the server has read another Origin\n" unless $hs->res->origin eq 'http://' . $hs->req->host;
}

my $frame = Protocol::WebSocket::Frame->new(version => $version, max_payload_size => 1 << 20);
$frame->append($in); # what came behind the answer

sub next_frame {
	while (1) {
		my $bytes = $frame->next_bytes;
		return $bytes if defined $bytes;
		my $read = sysread($socket, my $more, 64 * 1024);
		die "the server has hung up\n" unless $read;
		$frame->append($more);
	}
}

sub exchange {
	my ($type, $payload) = @_;
	my $bytes = $type eq 'binary' ? $payload : Encode::encode('UTF-8', $payload);
	say_raw($hs->build_frame(type => $type, buffer => $bytes, max_payload_size => 0)->to_bytes);
	my $got = next_frame();
	die "$type of " . length($bytes) . " bytes came back as " . length($got) . "\n" unless $got eq $bytes;
	die "$type came back as opcode " . $frame->opcode . "\n" unless $old || ($type eq 'binary') == $frame->is_binary;
}

exchange('text', $_) for 'hello', '', 'grüße, €, 𝄞', 'x' x 125, 'y' x 126, 'long ' x 3000;
if (!$old) {
	exchange('binary', join '', map { chr } 0 .. 255);
	exchange('text', 'z' x 70_000);
	say_raw($hs->build_frame(type => 'ping', buffer => 'are you there?')->to_bytes);
	die "the ping was not answered\n" unless next_frame() eq 'are you there?' && $frame->is_pong;
}

# Frames that leave together come back in order.
say_raw(join '', map { $hs->build_frame(buffer => "number $_")->to_bytes } 1 .. 100);
for my $i (1 .. 100) {
	my $got = next_frame();
	die "number $i came back as $got\n" unless $got eq "number $i";
}

say_raw($hs->build_frame(type => 'close', buffer => pack('n', 4001) . 'bye')->to_bytes);
my $goodbye = next_frame();
die "the goodbye was not answered\n" unless $frame->is_close;
die "the goodbye was answered with another\n" unless $old || unpack('n', $goodbye) == 4001;
my $rest = sysread($socket, my $more, 1);
die "something came behind the goodbye\n" if $rest;
