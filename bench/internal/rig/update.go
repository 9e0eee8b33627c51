//go:build linux

package rig

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Update puts what the comparison has measured whole into an earlier report: those
// sections whose cases and servers all took part. The others stay.
func (r *Report) Update(old string) string {
	var b strings.Builder
	r.Write(&b)
	head, kept := split(old)
	_, fresh := split(b.String())
	b.Reset()
	b.WriteString(head)
	for _, t := range titles() {
		if t.cases != nil && r.whole(t.cases) {
			fmt.Fprintf(&b, "## %s\n\nMeasured apart from the rest: %s. Versions: %s.%s", t.title, r.circumstances(), r.Machine.versions(), fresh[t.title])
			continue
		}
		text := kept[t.title]
		if t.cases == nil && fresh[t.title] != "" { // it is about no cases in particular
			text = fresh[t.title]
		}
		if text != "" {
			fmt.Fprintf(&b, "## %s%s", t.title, text)
		}
	}
	return b.String()
}

// split cuts a report into what stands before the first section, and the sections by
// their titles.
func split(report string) (head string, sections map[string]string) {
	parts := strings.Split("\n"+report, "\n## ")
	sections = make(map[string]string)
	for i, p := range parts[1:] {
		title, text, _ := strings.Cut(p, "\n")
		if i < len(parts)-2 {
			text += "\n" // which the next title has taken
		}
		sections[title] = "\n" + text
	}
	head = strings.TrimPrefix(parts[0], "\n")
	if len(parts) > 1 {
		head += "\n"
	}
	return head, sections
}

// A heading is that of a section, with the cases it is about; nil: none in particular.
type heading struct {
	title string
	cases func(c *Case) bool
}

// titles returns the headings of a report in their order.
func titles() (all []heading) {
	for _, g := range groups() {
		all = append(all, heading{g.title, func(c *Case) bool {
			return slices.ContainsFunc(g.targets, func(t Target) bool { return t.Cases.MatchString(c.Name) })
		}})
	}
	match := func(cases *regexp.Regexp) func(c *Case) bool {
		return func(c *Case) bool { return cases.MatchString(c.Name) }
	}
	for _, s := range sections {
		all = append(all, heading{s.title, match(s.cases)})
	}
	return append(all, heading{title: failures}, heading{title: "Method"})
}

// whole tells whether all of some cases ran, each on all of its servers.
func (r *Report) whole(cases func(c *Case) bool) bool {
	for _, c := range Cases(false) {
		if c.Extra || !cases(&c) {
			continue
		}
		for _, server := range c.Servers {
			if len(r.Results[c.Name][server]) == 0 {
				return false
			}
		}
	}
	return true
}
