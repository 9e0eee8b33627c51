package webtransport

import (
	"context"
	"net"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	"github.com/parley-go/parley/wire"
	"github.com/parley-go/parley/wire/wiretest"
)

// servePipes serves bare pipes by QUIC.
func servePipes(t *testing.T) (*underPipe, string) {
	t.Helper()
	u := &underPipe{receiver: make(chan wire.Receiver, 1), made: make(chan *pipe, 1)}
	h3 := &http3.Server{TLSConfig: http3.ConfigureTLSConfig(selfSigned(t)), Handler: u, QUICConfig: &quic.Config{}}
	u.sessions = &webtransport.Server{H3: h3}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- u.sessions.Serve(udp) }() // ends by Close
	t.Cleanup(func() { u.sessions.Close(); <-served; udp.Close() })
	return u, udp.LocalAddr().String()
}

func TestPipeIsAPipe(t *testing.T) {
	u, addr := servePipes(t)
	wiretest.TestPipe(t, func(t *testing.T, r wire.Receiver) (wire.Pipe, wiretest.Peer) {
		u.receiver <- r
		client := webtransport.Transport{TLSClientConfig: trusting}
		_, session, err := client.Dial(context.Background(), "https://"+addr+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { session.CloseWithError(0, ""); client.Close() })
		stream, err := session.OpenStreamSync(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stream.Write(nil) // which announces it
		return <-u.made, &peer{session, stream, newFrames(stream, 1<<20)}
	})
}

// peer is a client of a bare pipe.
type peer struct {
	session *webtransport.Session
	stream  *webtransport.Stream
	frames  *frames
}

func (p *peer) Send(data []byte) error {
	_, err := p.stream.Write(appendFrame(nil, &wire.Encoded{Data: data}))
	return err
}

func (p *peer) Receive() ([]byte, error) {
	data, _, err := p.frames.next()
	return data, err
}

func (p *peer) Leave() { p.session.CloseWithError(0, "") }
