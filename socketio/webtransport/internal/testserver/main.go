// Command testserver is what the browser tests of WebTransport talk to: a hub
// that echoes, by TCP and by QUIC on one port of 127.0.0.1, with a certificate
// that it makes itself. It prints its address and the certificate's hash.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/socketio"
	"github.com/parley-go/parley/socketio/webtransport"
)

func main() {
	address := flag.String("listen", "127.0.0.1:0", "host and port, of TCP and of UDP")
	files := flag.String("files", "", "folder that is served under /files/")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *address, *files); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, address, files string) error {
	cert, err := certificate()
	if err != nil {
		return err
	}
	tcp, udp, err := listen(address)
	if err != nil {
		return err
	}
	defer udp.Close()
	hub := newHub()
	endpoint := socketio.NewServer(hub, &socketio.Options{
		PingInterval: 300 * time.Millisecond, PingTimeout: 10 * time.Second,
	})
	mux := http.NewServeMux()
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	quic := webtransport.New(endpoint, &http3.Server{TLSConfig: http3.ConfigureTLSConfig(config.Clone()), Handler: mux}, nil)
	serve(mux, quic, files)
	server := &http.Server{Handler: mux, TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0)}
	failed := make(chan error, 2)
	go func() { failed <- server.ServeTLS(tcp, "", "") }() // ends by server.Close
	go func() { failed <- quic.Serve(udp) }()              // ends by quic.Close
	hash := sha256.Sum256(cert.Certificate[0])
	fmt.Printf("testserver: https://%s %s\n", tcp.Addr(), base64.StdEncoding.EncodeToString(hash[:]))
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(err, hub.Shutdown(bounded), quic.Close(), server.Close())
}

// serve serves the same by both ways.
func serve(mux *http.ServeMux, endpoint http.Handler, files string) {
	mux.Handle("/socket.io/", endpoint)
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html><title>WebTransport</title>")
	})
	if files != "" {
		mux.Handle("/files/", http.StripPrefix("/files/", http.FileServer(http.Dir(files))))
	}
}

// newHub echoes in two ways, and tells what a client cannot see.
func newHub() *parley.Hub {
	hub := parley.NewHub(nil)
	hub.Handle("echo", parley.HandlerFunc(func(_ context.Context, call *parley.Call) error {
		all, err := values(call)
		if err != nil {
			return err
		}
		return call.Reply(all...)
	}))
	hub.Handle("again", parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
		all, err := values(call)
		if err != nil {
			return err
		}
		return call.Conn().Send(ctx, "again", all...)
	}))
	hub.Handle("transport", parley.Func(func(_ context.Context, c *parley.Conn) (string, error) { return c.Transport(), nil }))
	hub.Handle("count", parley.Func(func(context.Context, *parley.Conn) (int, error) { return hub.Stats().Conns, nil }))
	hub.Handle("leave", parley.Func(func(_ context.Context, c *parley.Conn) error {
		c.Close("as was asked")
		return nil
	}))
	return hub
}

// values are the arguments of a call, as they came.
func values(call *parley.Call) ([]any, error) {
	all, into := make([]any, call.Len()), make([]any, call.Len())
	for i := range all {
		into[i] = &all[i]
	}
	return all, call.Scan(into...)
}

// listen opens a port for both.
func listen(address string) (net.Listener, net.PacketConn, error) {
	var last error
	for range 20 { // somebody else may have the port of the one for the other
		tcp, err := net.Listen("tcp", address)
		if err != nil {
			return nil, nil, err
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err == nil {
			return tcp, udp, nil
		}
		tcp.Close()
		last = err
	}
	return nil, nil, last
}

// certificate is one that a browser accepts by its hash: an ECDSA key, and valid
// for no more than two weeks.
func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(9 * 24 * time.Hour),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
