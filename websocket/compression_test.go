package websocket

import (
	"fmt"
	"testing"
)

// String writes what was agreed upon: sent, received.
func (p deflateParams) String() string {
	if p == (deflateParams{}) {
		return "none"
	}
	return fmt.Sprintf("%v, %v", p.write, p.read)
}

func (w deflateWindow) String() string {
	if w.takeover {
		return fmt.Sprintf("%d keeping", w.bits)
	}
	return fmt.Sprint(w.bits)
}

var (
	plainDeflate = &Compression{}
	takeover     = &Compression{ContextTakeover: true, WindowBits: 12, PeerWindowBits: 12}
	wide         = &Compression{ContextTakeover: true, WindowBits: 15, PeerWindowBits: 15}
	narrow       = &Compression{WindowBits: 9, PeerWindowBits: 10}
)

func TestCompressionDefaults(t *testing.T) {
	for _, test := range []struct {
		o    Compression
		want deflateParams
	}{
		{Compression{}, deflateParams{deflateWindow{15, false}, deflateWindow{15, false}, 512, 1}},
		{Compression{ContextTakeover: true}, deflateParams{deflateWindow{11, true}, deflateWindow{11, true}, 512, 1}},
		{Compression{WindowBits: 3, PeerWindowBits: 99, Threshold: -1, Level: 12}, deflateParams{deflateWindow{8, false}, deflateWindow{15, false}, 0, 9}},
		{Compression{WindowBits: -1, Threshold: 1, Level: -1}, deflateParams{deflateWindow{8, false}, deflateWindow{15, false}, 1, 1}},
	} {
		if got := test.o.params(); got.write != test.want.write || got.read != test.want.read || got.threshold != test.want.threshold || got.level != test.want.level {
			t.Errorf("%+v: got %+v, want %+v", test.o, got, test.want)
		}
	}
}

func TestCompressionAccept(t *testing.T) {
	const (
		none  = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
		quiet = "permessage-deflate"
	)
	for _, test := range []struct {
		name   string
		o      *Compression
		offers []string
		answer string
		agreed string
	}{
		{"no compression here", nil, []string{quiet}, "", "none"},
		{"nothing offered", plainDeflate, nil, "", "none"},
		{"something else offered", plainDeflate, []string{"x-webkit-deflate-frame, mux"}, "", "none"},
		{"a browser", plainDeflate, []string{"permessage-deflate; client_max_window_bits"}, none, "15, 15"},
		{"a browser, takeover", takeover, []string{"permessage-deflate; client_max_window_bits"}, "permessage-deflate; client_max_window_bits=12", "12 keeping, 12 keeping"},
		{"a browser, wide", wide, []string{"permessage-deflate; client_max_window_bits"}, quiet, "15 keeping, 15 keeping"},
		{"a browser, narrow", narrow, []string{"permessage-deflate; client_max_window_bits"}, none + "; client_max_window_bits=10", "9, 10"},
		{"a client that cannot limit its window", takeover, []string{quiet}, "permessage-deflate; client_no_context_takeover", "12 keeping, 15"},
		{"the same, wide", wide, []string{quiet}, quiet, "15 keeping, 15 keeping"},
		{"the server's window is limited", wide, []string{"permessage-deflate; server_max_window_bits=10"}, "permessage-deflate; server_max_window_bits=10", "10 keeping, 15 keeping"},
		{"limited to more than it uses", takeover, []string{"permessage-deflate; server_max_window_bits=14; client_max_window_bits=13"},
			"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", "12 keeping, 12 keeping"},
		{"limited to the largest", wide, []string{"permessage-deflate; server_max_window_bits=15"}, "permessage-deflate; server_max_window_bits=15", "15 keeping, 15 keeping"},
		{"the client uses less than it may", takeover, []string{"permessage-deflate; client_max_window_bits=8"}, "permessage-deflate; client_max_window_bits=8", "12 keeping, 8 keeping"},
		{"the client wants no takeover", takeover, []string{"permessage-deflate; client_no_context_takeover; server_no_context_takeover"}, none, "12, 15"},
		{"the first that is acceptable", wide, []string{"foo", "permessage-deflate; bar, permessage-deflate; server_max_window_bits=9, permessage-deflate"},
			"permessage-deflate; server_max_window_bits=9", "9 keeping, 15 keeping"},
		{"server_max_window_bits without a value", wide, []string{"permessage-deflate; server_max_window_bits"}, "", "none"},
		{"bits out of range", wide, []string{"permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=16",
			"permessage-deflate; client_max_window_bits=0, permessage-deflate; client_max_window_bits=08"}, "", "none"},
		{"a duplicate", wide, []string{"permessage-deflate; server_no_context_takeover; server_no_context_takeover"}, "", "none"},
		{"a quoted value", wide, []string{`permessage-deflate; server_max_window_bits="12"`}, "permessage-deflate; server_max_window_bits=12", "12 keeping, 15 keeping"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, answer, err := test.o.accept(test.offers)
			if err != nil || answer != test.answer || p.String() != test.agreed {
				t.Errorf("got %q (%v), %v, want %q (%s)", answer, p, err, test.answer, test.agreed)
			}
		})
	}
}

func TestCompressionAcceptFailsWithoutGrammar(t *testing.T) {
	for _, offers := range [][]string{{"permessage-deflate;"}, {"permessage-deflate, ;"}, {"permessage-deflate", "="}} {
		if p, answer, err := plainDeflate.accept(offers); err == nil || answer != "" || p != (deflateParams{}) {
			t.Errorf("%q: got %q (%v), want an error", offers, answer, p)
		}
		if p, answer, err := (*Compression)(nil).accept(offers); err != nil || answer != "" || p != (deflateParams{}) {
			t.Errorf("%q without compression: got %q (%v), %v, want nothing", offers, answer, p, err)
		}
	}
}

func TestCompressionOffer(t *testing.T) {
	for _, test := range []struct {
		o    *Compression
		want string
	}{
		{nil, ""},
		{plainDeflate, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"},
		{wide, "permessage-deflate; client_max_window_bits"},
		{takeover, "permessage-deflate; client_max_window_bits=12; server_max_window_bits=12, permessage-deflate; server_no_context_takeover; client_max_window_bits=12"},
		{narrow, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=9; server_max_window_bits=10, " +
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=9"},
	} {
		if got := test.o.offer(); got != test.want {
			t.Errorf("%+v: got %q, want %q", test.o, got, test.want)
		}
	}
}

func TestCompressionConfirm(t *testing.T) {
	for _, test := range []struct {
		name    string
		o       *Compression
		answers []string
		agreed  string
	}{
		{"nothing offered, nothing answered", nil, nil, "none"},
		{"declined", takeover, nil, "none"},
		{"declined by an empty header", takeover, []string{""}, "none"},
		{"no takeover", plainDeflate, []string{"permessage-deflate; server_no_context_takeover; client_no_context_takeover"}, "15, 15"},
		{"without the client's half", plainDeflate, []string{"permessage-deflate; server_no_context_takeover"}, "15, 15"},
		{"takeover", takeover, []string{"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"}, "12 keeping, 12 keeping"},
		{"takeover, smaller windows", takeover, []string{"permessage-deflate; client_max_window_bits=9; server_max_window_bits=8"}, "9 keeping, 8 keeping"},
		{"the second offer", takeover, []string{"permessage-deflate; server_no_context_takeover"}, "12 keeping, 15"},
		{"a server that keeps no context at all", takeover, []string{"permessage-deflate; server_no_context_takeover; client_no_context_takeover"}, "12, 15"},
		{"wide", wide, []string{"permessage-deflate"}, "15 keeping, 15 keeping"},
		{"wide, limited without being asked", wide, []string{`permessage-deflate; server_max_window_bits="10"`}, "15 keeping, 10 keeping"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, ok, err := test.o.confirm(test.answers)
			if err != nil || ok != (test.agreed != "none") || p.String() != test.agreed {
				t.Errorf("got %v, %v, %v, want %s", p, ok, err, test.agreed)
			}
		})
	}
}

func TestCompressionConfirmRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		o       *Compression
		answers []string
	}{
		{"what was not offered", nil, []string{"permessage-deflate"}},
		{"another extension", wide, []string{"permessage-deflate, foo"}},
		{"another extension first", wide, []string{"foo", "permessage-deflate"}},
		{"a letter of the other case", wide, []string{"Permessage-deflate"}},
		{"twice", wide, []string{"permessage-deflate, permessage-deflate"}},
		{"twice in two headers", wide, []string{"permessage-deflate", "permessage-deflate"}},
		{"no grammar", wide, []string{"permessage-deflate;"}},
		{"no grammar behind it", wide, []string{"permessage-deflate, ;"}},
		{"an unknown parameter", wide, []string{"permessage-deflate; foo"}},
		{"a duplicate parameter", wide, []string{"permessage-deflate; server_max_window_bits=10; server_max_window_bits=10"}},
		{"a value too much", wide, []string{"permessage-deflate; server_no_context_takeover=true"}},
		{"client_max_window_bits without a value", wide, []string{"permessage-deflate; client_max_window_bits"}},
		{"server_max_window_bits without a value", wide, []string{"permessage-deflate; server_max_window_bits"}},
		{"server bits 0", wide, []string{"permessage-deflate; server_max_window_bits=0"}},
		{"server bits 7", wide, []string{"permessage-deflate; server_max_window_bits=7"}},
		{"server bits 16", wide, []string{"permessage-deflate; server_max_window_bits=16"}},
		{"client bits 16", wide, []string{"permessage-deflate; client_max_window_bits=16"}},
		{"client bits 08", wide, []string{"permessage-deflate; client_max_window_bits=08"}},
		{"bits that are empty", wide, []string{`permessage-deflate; server_max_window_bits=""`}},
		{"more server bits than offered", takeover, []string{"permessage-deflate; server_max_window_bits=13"}},
		{"more client bits than offered", takeover, []string{"permessage-deflate; server_max_window_bits=12; client_max_window_bits=13"}},
		{"the server's takeover refused", plainDeflate, []string{"permessage-deflate; client_no_context_takeover"}},
		{"the server's window not limited", takeover, []string{"permessage-deflate; client_max_window_bits=12"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if p, ok, err := test.o.confirm(test.answers); err == nil || ok || p != (deflateParams{}) {
				t.Errorf("got %v, %v, want an error", p, ok)
			}
		})
	}
}

// TestCompressionBothEndsAgree negotiates between all kinds of ends.
func TestCompressionBothEndsAgree(t *testing.T) {
	kinds := []*Compression{plainDeflate, takeover, wide, narrow,
		{ContextTakeover: true, WindowBits: 15, PeerWindowBits: 9}, {ContextTakeover: true, WindowBits: 8, PeerWindowBits: 15}}
	for _, server := range kinds {
		for _, client := range kinds {
			offer := client.offer()
			atServer, answer, err := server.accept([]string{offer})
			if err != nil || answer == "" {
				t.Fatalf("%s: got %q, %v", offer, answer, err)
			}
			atClient, ok, err := client.confirm([]string{answer})
			if !ok || err != nil {
				t.Fatalf("%s answered by %s: %v, %v", offer, answer, ok, err)
			}
			for _, way := range []struct{ write, read deflateWindow }{{atServer.write, atClient.read}, {atClient.write, atServer.read}} {
				if way.write.bits > way.read.bits && way.read.takeover || way.write.takeover && !way.read.takeover {
					t.Errorf("%s answered by %s: got %v at the server and %v at the client", offer, answer, atServer, atClient)
				}
			}
			if atServer.read.takeover && atServer.read.bits > server.params().read.bits ||
				atClient.read.takeover && atClient.read.bits > client.params().read.bits {
				t.Errorf("%s answered by %s: a window is larger than wanted: %v at the server and %v at the client", offer, answer, atServer, atClient)
			}
		}
	}
}

func TestAClientWithoutAnOpinionFitsServersThatHaveOne(t *testing.T) {
	o := &Compression{ContextTakeover: true}
	answer := "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
	if _, ok, err := o.confirm([]string{answer}); !ok || err != nil {
		t.Errorf("%s: got %v, %v, want it confirmed", answer, ok, err)
	}
}
