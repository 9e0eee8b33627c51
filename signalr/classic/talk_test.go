package classic

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley"
)

// answering gives a hub methods that the tests call.
func answering(hub *parley.Hub) {
	hub.Handle("Add", parley.Func(func(ctx context.Context, c *parley.Conn, a, b int) (int, error) { return a + b, nil }))
	hub.Handle("Say", parley.Func(func(ctx context.Context, c *parley.Conn, text string) error {
		return hub.Send(ctx, "said", text)
	}))
	hub.Handle("Join", parley.Func(func(ctx context.Context, c *parley.Conn, group string) error { return c.Join(group) }))
	hub.Handle("Leave", parley.Func(func(ctx context.Context, c *parley.Conn, group string) error { c.Leave(group); return nil }))
}

func TestTalkOverWebSocket(t *testing.T) {
	serve(t, nil, func(w *world) {
		answering(w.chat())
		s := w.negotiated("webSockets", chatData).connected()
		s.say(`{"H":"chathub","M":"add","A":[1,2],"I":0}`)
		s.want(`{"R":3,"I":"0"}`)
		s.say(`{"H":"CHATHUB","M":"SAY","A":["hi"],"I":1}`)
		s.want(`{"M":[{"H":"ChatHub","M":"said","A":["hi"]}]}`, `{"I":"1"}`)
		s.abort()
		s.wantEnd(1000)
	})
}

func TestTalkOverServerSentEvents(t *testing.T) {
	serve(t, nil, func(w *world) {
		answering(w.chat())
		s := w.negotiated("serverSentEvents", chatData).connected()
		s.say(`{"H":"chathub","M":"add","A":[1,2],"I":0}`)
		s.want(`{"M":[{"R":3,"I":"0"}]}`)
		s.say(`{"H":"chathub","M":"say","A":["hi"],"I":1}`)
		s.wantElements(`{"H":"ChatHub","M":"said","A":["hi"]}`, `{"I":"1"}`)
		s.abort()
		s.wantEnd(0)
	})
}

func TestTalkByLongPolling(t *testing.T) {
	serve(t, nil, func(w *world) {
		answering(w.chat())
		c := w.negotiated("longPolling", chatData)
		c.wantPoll("connect", `{"S":1,"M":[]}`)
		c.start()
		c.send(`{"H":"chathub","M":"say","A":["hi"],"I":"0"}`)
		c.wantFrom(func() string { return c.poll("poll") }, `{"H":"ChatHub","M":"said","A":["hi"]}`, `{"I":"0"}`)
		ended := make(chan string)
		go func() { ended <- c.poll("poll") }()
		synctest.Wait()
		c.abort()
		if got := <-ended; got != `{"M":[]}` {
			t.Errorf("the poll that waited: got %s", got)
		}
		if got := c.poll("poll"); got != `{"M":[]}` {
			t.Errorf("the poll that followed: got %s", got)
		}
	})
}

func TestTalkInAForeverFrame(t *testing.T) {
	serve(t, nil, func(w *world) {
		answering(w.chat())
		c := w.negotiated("foreverFrame", chatData)
		s := c.open("connect", "frameId", "7")
		read := func(until string) string {
			var page strings.Builder
			for !strings.HasSuffix(page.String(), until) {
				b, err := s.lines.ReadByte()
				if err != nil {
					t.Fatalf("%v behind %q", err, page.String())
				}
				page.WriteByte(b)
			}
			return page.String()
		}
		if page := read("<body>\r\n"); !strings.Contains(page, "getConnection('7')") || strings.Count(page, "<script>") != 1 {
			t.Errorf("the page begins with\n%s", page)
		}
		if got := read("</script>\r\n"); !strings.HasPrefix(got, `<script>r(c, {"C":"d-`) || !strings.HasSuffix(got, `","S":1,"M":[]});</script>`+"\r\n") {
			t.Errorf("got %s", got)
		}
		c.start()
		c.send(`{"H":"chathub","M":"say","A":["</script>&\u2028"]}`)
		synctest.Wait()
		want := `"M":[{"H":"ChatHub","M":"said","A":["\u003c/script\u003e\u0026\u2028"]}]});</script>` + "\r\n"
		if got := read("</script>\r\n"); !strings.HasSuffix(got, want) {
			t.Errorf("got %s, want it to end in %s", got, want)
		}
		c.abort()
		if rest, err := io.ReadAll(s.lines); err != nil || len(rest) > 0 {
			t.Errorf("behind the end: %q, %v", rest, err)
		}
	})
}
