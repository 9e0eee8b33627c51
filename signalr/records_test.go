package signalr

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestRecordsAreCutWhereverFramesEnd(t *testing.T) {
	stream := raw(`{"type":6}␞␞{"a":"b"}␞{"unfinished`)
	want := []string{`{"type":6}`, ``, `{"a":"b"}`}
	for size := 1; size <= len(stream); size++ {
		s := records{limit: 100}
		var got []string
		for chunk := range slices.Chunk([]byte(stream), size) {
			chunk = bytes.Clone(chunk)
			err := eachRecord(&s, chunk, func(r []byte) bool { got = append(got, string(r)); return true })
			if err != nil {
				t.Fatalf("frames of %d bytes: %v", size, err)
			}
			for i := range chunk { // the transport uses its buffer again
				chunk[i] = '!'
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("frames of %d bytes: got %q, want %q", size, got, want)
		}
	}
}

func TestRecordLimitSlides(t *testing.T) {
	const limit = 8
	for _, c := range []struct {
		frames []string
		want   int // records before the error, or all
		fails  bool
	}{
		{[]string{"1234567␞"}, 1, false},
		{[]string{"12345678␞"}, 0, true},
		{[]string{"12345678"}, 0, false},
		{[]string{"12345678", "␞"}, 0, true},
		{[]string{"12345678", "9"}, 0, true},
		{[]string{"1234567␞1234567␞1234567␞1234567"}, 3, false},
		{[]string{"1␞", "1234", "567␞", "12345678␞"}, 2, true},
		{strings.Split("123456789", ""), 0, true},
	} {
		s := records{limit: limit}
		n := 0
		var err error
		for _, frame := range c.frames {
			if err = eachRecord(&s, []byte(raw(frame)), func([]byte) bool { n++; return true }); err != nil {
				break
			}
		}
		if n != c.want || (err != nil) != c.fails {
			t.Errorf("%q: got %d records and error %v, want %d and %t", c.frames, n, err, c.want, c.fails)
		}
		if cap(s.part) > 2*limit {
			t.Errorf("%q: %d bytes are held, want at most %d", c.frames, cap(s.part), 2*limit)
		}
	}
}

func TestRecordsStopWhenNoMoreAreWanted(t *testing.T) {
	s := records{limit: 100}
	n := 0
	err := eachRecord(&s, []byte(raw("1␞2␞3␞")), func([]byte) bool { n++; return n < 2 })
	if n != 2 || err != nil {
		t.Errorf("got %d records, %v; want 2", n, err)
	}
}

// FuzzRecords: however the stream is cut into frames, the records are those
// between the separators, and none is longer than the limit.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("{}\x1e{\"type\":6}\x1e"), uint8(3), uint8(20))
	f.Add([]byte("\x1e\x1e12345"), uint8(1), uint8(4))
	f.Fuzz(func(t *testing.T, stream []byte, size, limit uint8) {
		s := records{limit: int(limit)}
		var got [][]byte
		var err error
		for chunk := range slices.Chunk(stream, int(size)+1) {
			if err = eachRecord(&s, chunk, func(r []byte) bool { got = append(got, bytes.Clone(r)); return true }); err != nil {
				break
			}
		}
		want := bytes.Split(stream, []byte{separator})
		rest := want[len(want)-1]
		want = want[:len(want)-1]
		long := slices.IndexFunc(want, func(r []byte) bool { return len(r)+1 > int(limit) })
		if long >= 0 {
			want = want[:long]
		}
		if fails := long >= 0 || len(rest) > int(limit); fails != (err != nil) {
			t.Errorf("got error %v, want one: %t", err, fails)
		}
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// eachRecord hands up the records that data completes, until each returns
// false.
func eachRecord(s splitter, data []byte, each func(record []byte) bool) error {
	for len(data) > 0 {
		record, rest, err := s.next(data)
		if record == nil || err != nil || !each(record) {
			return err
		}
		data = rest
	}
	return nil
}
