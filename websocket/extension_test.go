package websocket

import (
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// collect returns the elements up to the first error.
func collect(seq iter.Seq2[extension, error]) (list []extension, err error) {
	for e, err := range seq {
		if err != nil {
			return list, err
		}
		list = append(list, e)
	}
	return list, nil
}

func TestExtensionsGrammar(t *testing.T) {
	deflate := extension{name: "permessage-deflate"}
	odd := extension{name: "permessage-deflate", unacceptable: true}
	with := func(change func(*extension)) extension {
		e := deflate
		change(&e)
		return e
	}
	for _, test := range []struct {
		values []string
		want   []extension
	}{
		{nil, nil},
		{[]string{""}, nil},
		{[]string{" \t, ,", ","}, nil},
		{[]string{"permessage-deflate"}, []extension{deflate}},
		{[]string{"foo, permessage-deflate", "bar;a=1;b=\"x\""}, []extension{{name: "foo"}, deflate, {name: "bar", unacceptable: true}}},
		{[]string{"permessage-deflate;client_no_context_takeover ; server_no_context_takeover"}, []extension{
			with(func(e *extension) { e.clientNoTakeover, e.serverNoTakeover = true, true })}},
		{[]string{"\tpermessage-deflate ; client_max_window_bits = 9"}, []extension{with(func(e *extension) { e.clientBits = 9 })}},
		{[]string{"permessage-deflate;client_max_window_bits"}, []extension{with(func(e *extension) { e.clientBits = anyBits })}},
		{[]string{`permessage-deflate;server_max_window_bits="12";client_max_window_bits="\1\0"`}, []extension{
			with(func(e *extension) { e.serverBits, e.clientBits = 12, 10 })}},
		{[]string{"permessage-deflate;client_no_context_takeover=1"}, []extension{odd}},
		{[]string{"permessage-deflate;unknown"}, []extension{odd}},
		{[]string{"permessage-deflate;__proto__=1"}, []extension{odd}},
		{[]string{"__proto__;constructor;toString=hasOwnProperty"}, []extension{{name: "__proto__", unacceptable: true}}},
		{[]string{"Permessage-Deflate"}, []extension{{name: "Permessage-Deflate"}}},
	} {
		got, err := collect(extensions(test.values))
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%q: got %+v, %v, want %+v", test.values, got, err, test.want)
		}
	}
}

func TestExtensionsWithoutGrammar(t *testing.T) {
	for _, value := range []string{
		"permessage-deflate;", ";", "=", "a;;b", "a=1", "a;=1", "a;b=", "a;b= ,", "a b", "a;b c", "a;b=c d", "a;b==c",
		`"a"`, `a;"b"`, `a;b="`, `a;b=""`, `a;b="c`, `a;b="c"d`, `a;b="c d"`, `a;b="c,d"`, `a;b="\`, `a;b="\"`, `a;b="\""`, `a;b='c"`,
		"a;b=ü", "ü", "a\x00", "a;b\n=c", "(a)", "a;b=\"\xff\"", "permessage-deflate; client_max_window_bits=10/2",
	} {
		if got, err := collect(extensions([]string{"permessage-deflate", value})); err == nil {
			t.Errorf("%q: got %+v, want an error", value, got)
		}
	}
}

func TestExtensionsWindowBits(t *testing.T) {
	for value, want := range map[string]uint8{
		"8": 8, "9": 9, "10": 10, "11": 11, "12": 12, "13": 13, "14": 14, "15": 15,
		"0": 0, "1": 0, "7": 0, "16": 0, "08": 0, "012": 0, "+9": 0, "-9": 0, "1e1": 0, "0x9": 0, "256": 0, "264": 0, "9.0": 0,
		"4294967304": 0, "18446744073709551624": 0, strings.Repeat("1", 5000): 0,
	} {
		for _, form := range []string{"a;server_max_window_bits=%s", `a;server_max_window_bits="%s"`} {
			got, err := collect(extensions([]string{fmt.Sprintf(form, value)}))
			if err != nil || len(got) != 1 || got[0].serverBits != want || got[0].unacceptable != (want == 0) {
				t.Errorf("%.20s: got %+v, %v, want %d", value, got, err, want)
			}
		}
	}
}

func TestExtensionsRefuseDuplicates(t *testing.T) {
	for _, p := range []string{
		"server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits=10", "client_max_window_bits=10",
		"client_max_window_bits",
	} {
		got, err := collect(extensions([]string{"a;" + p + ";" + p}))
		if err != nil || !got[0].unacceptable {
			t.Errorf("%s twice: got %+v, %v", p, got, err)
		}
	}
}

// TestExtensionsCostNoMemory sends what made other parsers slow or large:
// CVE-2020-7662, CVE-2021-32640. Every piece leaves less of the input than it
// found, so there is no time to measure.
func TestExtensionsCostNoMemory(t *testing.T) {
	const n = 1 << 16
	for name, value := range map[string]string{
		"an open quote":  `a;b="` + strings.Repeat(`\c\"`, n),
		"white space":    "a" + strings.Repeat(" ", n) + "b",
		"commas":         strings.Repeat(",", n),
		"parameters":     "a" + strings.Repeat(";b", n),
		"many of them":   strings.Repeat("permessage-deflate,", n/16),
		"a long token":   strings.Repeat("a", n),
		"equality signs": "a;b" + strings.Repeat("=", n),
	} {
		values := []string{value}
		got := testing.AllocsPerRun(5, func() {
			for range extensions(values) {
			}
		})
		if got > 40 { // a quoted string grows by doubling
			t.Errorf("%s: got %v allocations", name, got)
		}
	}
}

// FuzzExtensions compares with a reading by splitting, which is possible only
// where there are no quotes.
func FuzzExtensions(f *testing.F) {
	f.Add("permessage-deflate; client_max_window_bits, foo;bar=1")
	f.Add("permessage-deflate;server_max_window_bits=\"1\\2\"")
	f.Add(", a ;b= c\t,")
	f.Fuzz(func(t *testing.T, value string) {
		got, err := collect(extensions([]string{value}))
		for _, e := range got {
			if e.name == "" || !isToken(e.name) || !strings.Contains(value, e.name) || e.serverBits == anyBits || e.serverBits > 15 || e.clientBits > 15 {
				t.Fatalf("got %+v", e)
			}
		}
		if strings.Contains(value, `"`) {
			return
		}
		var want []string
		for element := range strings.SplitSeq(value, ",") {
			name, params, has := strings.Cut(strings.Trim(element, " \t"), ";")
			if name == "" && !has {
				continue
			}
			ok := isTokenWithin(name)
			for p := range strings.SplitSeq(params, ";") {
				key, v, hasValue := strings.Cut(p, "=")
				ok = ok && (!has || isTokenWithin(key) && (!hasValue || isTokenWithin(v)))
			}
			if !ok {
				want = append(want, "error")
				break
			}
			want = append(want, strings.Trim(name, " \t"))
		}
		var names []string
		for _, e := range got {
			names = append(names, e.name)
		}
		if err != nil {
			names = append(names, "error")
		}
		if !slices.Equal(names, want) {
			t.Fatalf("%q: got %q, want %q", value, names, want)
		}
	})
}

func isTokenWithin(s string) bool {
	s = strings.Trim(s, " \t")
	return s != "" && isToken(s)
}
