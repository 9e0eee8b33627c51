package socketio

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// Binary values travel the same over polls, in base64, as over a WebSocket.
func TestBytesByPolling(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		url := w.open()
		w.post(url, "40")
		w.get(url)
		w.post(url, `452-7["message-with-ack",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]]`+"\x1ebAQIDBA==\x1eb")
		w.want(w.get(url), `462-7[{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]]`+"\x1ebAQIDBA==\x1eb")
		w.post(url, `451-["message",{"_placeholder":true,"num":0}]`) // in two bodies
		w.post(url, "bAQ==")
		w.want(w.get(url), `451-["message-back",{"_placeholder":true,"num":0}]`+"\x1ebAQ==")
	})
}

// What is in a typed Go value arrives there, and goes from there.
func TestTypedBytes(t *testing.T) {
	type upload struct {
		Name string `json:"name"`
		Data []byte `json:"data"`
	}
	setup := func(w *world) {
		w.hub.Handle("upload", parley.Func(func(u upload, parts [][]byte) (upload, error) {
			for _, p := range parts {
				u.Data = append(u.Data, p...)
			}
			return u, nil
		}))
		w.hub.Handle("many", parley.Func(func(ctx context.Context, c *parley.Conn, n int) error {
			return c.Send(ctx, "many", make([][]byte, n), manyBytes(n))
		}))
		w.hub.Handle("fail", parley.Func(func() error {
			return &parley.Error{Code: "c", Message: "m", Data: []byte("hi")}
		}))
	}
	inWorld(t, nil, setup, func(w *world) {
		s := w.join()
		s.send(`453-1["upload",{"name":"x","data":{"_placeholder":true,"num":0}},[{"_placeholder":true,"num":1},{"_placeholder":true,"num":2}]]`)
		s.sendBinary("a", "b", "c")
		s.want(`461-1[{"name":"x","data":{"_placeholder":true,"num":0}}]`, "binary abc")
		// What cannot take bytes fails the call, and no more.
		s.send(`451-2["upload",{"name":{"_placeholder":true,"num":0}},[]]`)
		s.sendBinary("a")
		s.wantMatch(`^432\[\{"error":\{"code":"arguments",`)
		s.send(`423["upload",{"name":"x","data":{"_placeholder":true,"num":0}},[]]`) // none are announced: this is an object
		s.wantMatch(`^433\[\{"error":\{"code":"arguments",`)
		// More than clients take is an error to who sends them.
		s.send(`424["many",10]`)
		s.wantMatch(`^4510-\["many",\[null,`)
		for range 10 {
			s.want("binary x")
		}
		s.want(`434[]`)
		s.send(`425["many",11]`)
		s.wantMatch(`^435\[\{"error":\{"code":"internal",`)
		// An error has no room for attachments.
		s.send(`426["fail"]`)
		s.want(`436[{"error":{"code":"c","message":"m","data":"aGk="}}]`)
	})
}

func manyBytes(n int) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = []byte("x")
	}
	return list
}

// A question and its answer may have attachments in both directions.
func TestAskedForBytes(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		s := w.join()
		conn := w.hub.Audience().Conns()[0]
		answered := make(chan string, 1)
		go func() { // ends with the answer
			var got map[string][]byte
			err := conn.Call(w.Context(), "ask", &got, map[string][]byte{"q": []byte("?")})
			answered <- fmt.Sprintf("%s %v", got["a"], err)
		}()
		asked := s.next()
		id := strings.TrimSuffix(strings.TrimPrefix(asked, "451-"), `["ask",{"q":{"_placeholder":true,"num":0}}]`)
		s.want("binary ?")
		s.send("461-" + id + `[{"a":{"_placeholder":true,"num":0}}]`)
		s.sendBinary("!")
		w.want(<-answered, "! <nil>")
	})
}

// CVE-2022-2421: what stands for an attachment must be one of them.
func TestCVE_2022_2421_PlaceholdersOfNothing(t *testing.T) {
	for _, num := range []string{"-1", "1", "1e9", "1000000000", "0.5", `"0"`, `"__proto__"`, `"splice"`, "null", "{}", "[0]", "true"} {
		t.Run(num, func(t *testing.T) {
			inWorld(t, nil, nil, func(w *world) {
				other, s := w.join(), w.join()
				s.send(`451-1["message-with-ack",{"a":{"_placeholder":true,"num":` + num + `}}]`)
				s.sendBinary("a")
				s.wantClosed()
				w.wantEnds(parley.ErrProtocol)
				other.send(`421["message-with-ack",{"_placeholder":true,"num":` + num + `}]`) // without attachments it is the user's
				other.wantMatch(`^431\[\{"_placeholder":true,"num":`)
			})
		})
	}
}

// CVE-2026-33151, CVE-2026-69185: a packet that announces attachments which do not come, or come without end.
func TestCVE_2026_33151_AttachmentsAnnounced(t *testing.T) {
	for _, c := range []struct {
		name    string
		packets []string // text, or binary behind "binary "
	}{
		{"far too many", []string{`459999999["message"]`}},
		{"far too many, in full", []string{`459999999-["message"]`}},
		{"a number without an end", []string{"45" + strings.Repeat("9", 900_000) + `-["message"]`}},
		{"one too many", []string{`4511-["message"]`}},
		{"none", []string{`450-["message"]`}},
		{"fewer than none", []string{`45-1-["message"]`}},
		{"another packet in between", []string{`452-["message"]`, "binary a", `42["message"]`}},
		{"another such packet in between", []string{`452-["message"]`, `452-["message"]`}},
		{"CONNECT in between", []string{`452-["message"]`, `40/admin`}},
		{"too late", []string{`42["message"]`, "binary a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, nil, nil, func(w *world) {
				s := w.join()
				for _, p := range c.packets {
					if b, ok := strings.CutPrefix(p, "binary "); ok {
						s.sendBinary(b)
						continue
					}
					s.send(p)
				}
				if c.name == "too late" {
					s.want(`42["message-back"]`)
				}
				s.wantClosed()
				w.wantEnds(parley.ErrProtocol)
			})
		})
	}
}

// CVE-2026-69185, too: what waits, waits for a while only, however alive its client is.
func TestCVE_2026_69185_AttachmentsThatNeverCome(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		s := w.join()
		s.send(`4510-["message"]`)
		w.sleep(time.Second)
		s.sendBinary(strings.Repeat("x", 900_000))
		start := time.Now()
		for {
			f := s.next()
			if f == "closed" {
				break
			}
			w.want(f, "2")
			s.send("3")
		}
		if waited := time.Since(start); waited < 45*time.Second || waited > 46*time.Second {
			t.Errorf("the connection was closed after %v, want 45s", waited)
		}
		w.wantEnds(parley.ErrProtocol)
	})
	inWorld(t, nil, nil, func(w *world) { // the clock stands while nothing waits, and for each anew
		s := w.join()
		pong := func(d time.Duration) {
			until := time.After(d)
			for {
				select {
				case f := <-s.frames:
					w.want(f, "2")
					s.send("3")
				case <-until:
					return
				}
			}
		}
		s.send(`452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
		pong(30 * time.Second)
		s.sendBinary("a")
		pong(30 * time.Second)
		s.sendBinary("b")
		s.want(`452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "binary a", "binary b")
		pong(100 * time.Second)
		s.send(`452-["message"]`)
		s.conn.CloseNow() // nothing is left of it
		synctest.Wait()
	})
}

// CVE-2020-36049: packets near the limit, many of them, of every shape. Each costs no more than a few times its size.
func TestCVE_2020_36049_LargePackets(t *testing.T) {
	const size = 999_000
	for name, c := range map[string]struct {
		head, part, tail string
		ok               bool
	}{
		"one string":         {`42["message","`, "x", `"]`, true},
		"escapes":            {`42["message","`, `\u0041`, `"]`, true},
		"many elements":      {`42["message",[0`, ",0", `]]`, true},
		"many arguments":     {`42["message"`, ",0", `]`, false},
		"a long name":        {`42["`, "x", `"]`, true},
		"a long namespace":   {`42/`, "x", `,["message"]`, false},
		"many digits":        {`42`, "9", `["message"]`, false},
		"many zeros":         {`42`, "0", `7["message"]`, true},
		"brackets":           {`42["message",`, "[", ``, false},
		"many placeholders":  {`451-["message"`, `,{"_placeholder":true,"num":0}`, `]`, false},
		"deep placeholders":  {`451-["message"`, `,{"_placeholder":`, ``, false},
		"one packet in text": {`42["message",{"a":"`, `\\`, `"}]`, true},
	} {
		data := []byte(c.head + strings.Repeat(c.part, (size-len(c.head))/len(c.part)) + c.tail)
		parse := func() (err error) {
			var p packet
			a := new(assembler)
			whole, err := a.text(data, &p)
			if err == nil && !whole {
				_, err = a.binary(nil, &p)
			}
			if err != nil {
				return err
			}
			return p.message(new(wire.Message))
		}
		if err := parse(); (err == nil) != c.ok || err != nil && !errors.Is(err, parley.ErrProtocol) {
			t.Errorf("%s: got %v", name, err)
		}
		if got := bytesOf(func() { _ = parse() }); got > 4*size {
			t.Errorf("%s: %d bytes were allocated for %d", name, got, size)
		}
	}
	inWorld(t, nil, nil, func(w *world) {
		s, other := w.join(), w.join()
		large := `42["none","` + strings.Repeat("x", size) + `"]`
		for range 30 {
			s.send(large)
			s.wantMatch(`^42\["error",\{"code":"not_found"`)
		}
		other.send(`42["message",1]`)
		other.want(`42["message-back",1]`)
	})
}

// CVE-2023-32695: names of events that are none end their connection, and no other.
func TestCVE_2023_32695_OddNames(t *testing.T) {
	for _, name := range []string{`{}`, `{"toString":1}`, `{"toString":"rce"}`, `[]`, `[["x"]]`, `null`, `true`, `"connect"`, `"connect_error"`, `"disconnect"`, `"disconnecting"`,
		`"newListener"`, `"removeListener"`, `"\u0063onnect"`} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, nil, func(w *world) {
				s, other := w.join(), w.join()
				s.send(`42[` + name + `,1]`)
				s.wantClosed()
				w.wantEnds(parley.ErrProtocol)
				other.send(`42["message","still here"]`)
				other.want(`42["message-back","still here"]`)
			})
		})
	}
}

// CVE-2024-38355: an event "error", and others that no object of JavaScript likes, and namespaces like them. What nobody
// handles is answered, and nothing else happens.
func TestCVE_2024_38355_NamesThatNobodyHandles(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		s := w.join()
		for _, name := range []string{`"error"`, `"__proto__"`, `"constructor"`, `"hasOwnProperty"`, `"toString"`, `""`, `"\u0000"`, `"🦜"`, `"Connect"`} {
			s.send(`421[` + name + `,{"__proto__":{"x":1}}]`)
			s.wantMatch(`^431\[\{"error":\{"code":"not_found"`)
		}
		for _, name := range []string{`0`, `-1`, `1e999`, `9007199254740993`} {
			s.send(`421[` + name + `]`)
			s.wantMatch(`^431\[\{"error":\{"code":"not_found"`)
		}
		for _, nsp := range []string{"//", "/__proto__", "/constructor", "/admin?token=1", `/"`, "/ ", "/\u0000", "/🦜", "/[", "/42"} {
			s.send("40" + nsp + ",")
			w.want(s.next(), "44"+nsp+`,{"message":"Invalid namespace"}`)
		}
		s.send(`42["message","still here"]`)
		s.want(`42["message-back","still here"]`)
	})
}
