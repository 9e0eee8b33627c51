// Package guide holds the guides in docs/ against the code, for tests: what they show
// of Go is compiled, and the options they name exist.
package guide

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// Read returns a file.
func Read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Page is a guide: the path of its file.
type Page string

// Text is the whole guide.
func (p Page) Text(t testing.TB) string {
	t.Helper()
	return Read(t, string(p))
}

// Chapter is what stands between two headings.
func (p Page) Chapter(t testing.TB, from, to string) string {
	t.Helper()
	_, rest, found := strings.Cut(p.Text(t), "\n"+from+"\n")
	text, _, ends := strings.Cut(rest, "\n"+to+"\n")
	if !found || !ends {
		t.Fatalf("%s has no chapter from %q to %q", p, from, to)
	}
	return text
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// TestTables wants the Go in the second and later columns of the tables to stand in
// code: at least so many lines of it. skip tells what looks like Go, and is none.
func (p Page) TestTables(t testing.TB, tables, code string, least int, skip func(span string) bool) {
	t.Helper()
	lines := 0
	for row := range strings.Lines(tables) {
		cells := strings.Split(row, " | ")
		if len(cells) < 3 {
			continue
		}
		for _, span := range codeSpan.FindAllStringSubmatch(strings.Join(cells[1:], " "), -1) {
			if !strings.ContainsAny(span[1], "(.{[") || skip(span[1]) {
				continue
			}
			lines++
			if !strings.Contains(code, span[1]) {
				t.Errorf("%s shows what is not compiled: %s", p, span[1])
			}
		}
	}
	if lines < least {
		t.Errorf("%s shows %d lines of Go, want %d and more", p, lines, least)
	}
}

// TestNames wants the fields that the text names, as `Owner.Field`, to exist.
func (p Page) TestNames(t testing.TB, text string, owners map[string]reflect.Type) {
	t.Helper()
	for _, span := range regexp.MustCompile("`(\\w+)\\.(\\w+)`").FindAllStringSubmatch(text, -1) {
		if owner := owners[span[1]]; owner != nil {
			if _, exists := owner.FieldByName(span[2]); !exists {
				t.Errorf("%s names %s.%s, which does not exist", p, span[1], span[2])
			}
		}
	}
}

// TestAllNamed wants the text to name every field of options, but for those of embedded
// structs, behind one of the prefixes.
func (p Page) TestAllNamed(t testing.TB, text string, options reflect.Type, prefixes ...string) {
	t.Helper()
	for i := range options.NumField() {
		f := options.Field(i)
		named := f.Anonymous
		for _, prefix := range prefixes {
			named = named || strings.Contains(text, "`"+prefix+f.Name+"`")
		}
		if !named {
			t.Errorf("%s does not name %s.%s", p, options.Name(), f.Name)
		}
	}
}

// Pieces are the blocks of code in a language.
func Pieces(text, language string) []string {
	pieces := strings.Split(text, "```"+language+"\n")[1:]
	for i := range pieces {
		pieces[i], _, _ = strings.Cut(pieces[i], "```")
	}
	return pieces
}

// TestProgram wants the blocks, one after the other, to be the file: but for blank
// lines.
func (p Page) TestProgram(t testing.TB, text, language, file string) {
	t.Helper()
	got, want := withoutBlanks(strings.Join(Pieces(text, language), "")), withoutBlanks(Read(t, file))
	if got == want {
		return
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("%s shows\n%.200s\nwhere %s has\n%.200s", p, got[i:], file, want[i:])
		}
	}
	t.Errorf("%s shows %d bytes of %d of %s", p, len(got), len(want), file)
}

func withoutBlanks(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		if strings.TrimSpace(line) != "" {
			b.WriteString(line)
		}
	}
	return b.String()
}
