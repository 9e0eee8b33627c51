package classic

import (
	"strings"
	"testing"

	"github.com/parley-go/parley/wire"
)

func TestRawProtocol(t *testing.T) {
	for _, c := range []struct {
		m    wire.Message
		want string
	}{
		{wire.Message{Kind: wire.Call, Name: Message, Args: values(`"hello"`)}, `"hello"`},
		{wire.Message{Kind: wire.Call, Name: Message, Args: values(`{"a":[1]}`)}, `{"a":[1]}`},
		{wire.Message{Kind: wire.Call, Name: "said", Args: values(`1`)}, ``},
		{wire.Message{Kind: wire.Call, ID: "1", Name: Message, Args: values(`1`)}, ``},
		{wire.Message{Kind: wire.Result, ID: "1", Args: values(`1`)}, ``},
		{wire.Message{Kind: wire.Progress, ID: "1", Args: values(`1`)}, ``},
		{wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1008, Reason: "no"}}, `"no"`},
		{wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1001, Reason: "no", Reconnect: true}}, ``},
	} {
		got, err := rawProtocol{}.Append(nil, &c.m)
		if err != nil || string(got) != c.want {
			t.Errorf("%+v: got %s %v, want %s", c.m, got, err, c.want)
		}
	}
	for _, args := range []wire.Args{{}, values(`1`, `2`)} {
		if _, err := (rawProtocol{}).Append(nil, &wire.Message{Kind: wire.Call, Name: Message, Args: args}); err == nil {
			t.Errorf("%d values were sent as one", len(args.Values))
		}
	}
}

// FuzzRaw: what a client sends arrives as the text it is.
func FuzzRaw(f *testing.F) {
	f.Add([]byte("hello"))
	f.Add([]byte(`{"a":"\u2028"}`))
	f.Add([]byte("\"\\\x00\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m wire.Message
		if err := (rawProtocol{}).Parse(data, &m); err != nil || m.Kind != wire.Call || m.Name != Message {
			t.Fatalf("%q: %v %+v", data, err, m)
		}
		var got string
		if err := wire.JSON.Unmarshal(m.Args, 0, &got); err != nil || got != strings.ToValidUTF8(string(data), "\ufffd") && !strings.Contains(got, "\ufffd") {
			t.Errorf("%q arrived as %q: %v", data, got, err)
		}
	})
}
