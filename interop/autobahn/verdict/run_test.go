package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// report writes a report of one agent, as Autobahn lays it out.
func report(t *testing.T, cases map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	var index []string
	for id, text := range cases {
		file := "agent_case_" + strings.ReplaceAll(id, ".", "_") + ".json"
		index = append(index, `"`+id+`": {"behavior": "of no interest", "reportfile": "`+file+`"}`)
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := `{"agent": {` + strings.Join(index, ",") + `}}`
	if err := os.WriteFile(filepath.Join(dir, "index.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRunIsJudgedByBehaviourAndClose(t *testing.T) {
	ok := `{"case": 1, "id": "1.1.1", "behavior": "OK", "behaviorClose": "OK"}`
	for _, test := range []struct{ second, summary, bad string }{
		{`"behavior": "OK", "behaviorClose": "OK"`, "2 cases, 2 OK", ""},
		{`"behavior": "INFORMATIONAL", "behaviorClose": "INFORMATIONAL"`, "2 cases, 1 INFORMATIONAL, 1 OK", ""},
		{`"behavior": "NON-STRICT", "behaviorClose": "OK"`, "2 cases, 1 NON-STRICT (close: OK), 1 OK", "1 of 2"},
		{`"behavior": "UNIMPLEMENTED", "behaviorClose": "OK"`, "2 cases, 1 OK, 1 UNIMPLEMENTED (close: OK)", "1 of 2"},
		{`"behavior": "OK", "behaviorClose": "UNCLEAN"`, "2 cases, 1 OK, 1 OK (close: UNCLEAN)", "1 of 2"},
		{`"behavior": "FAILED", "behaviorClose": "FAILED", "expectation": "A\n ping."`, "expected: A ping.", "1 of 2"},
		{`"note": "neither is said"`, "2 cases", "1 of 2"},
	} {
		second := `{"case": 2, "id": "7.1.6", "remoteCloseCode": null, ` + test.second + `}`
		run, err := readRun(report(t, map[string]string{"1.1.1": ok, "7.1.6": second}))
		if err != nil {
			t.Fatalf("%s: %v", test.second, err)
		}
		if got := run.summary("dir"); !strings.Contains(got, test.summary) {
			t.Errorf("%s: got summary %q, want %q in it", test.second, got, test.summary)
		}
		err = run.check(2)
		if (err != nil) != (test.bad != "") || err != nil && !strings.HasPrefix(err.Error(), test.bad) {
			t.Errorf("%s: got %v, want an error that begins %q", test.second, err, test.bad)
		}
	}
}

func TestRunMustBeComplete(t *testing.T) {
	ok := `{"case": 1, "id": "1.1.1", "behavior": "OK", "behaviorClose": "OK"}`
	run, err := readRun(report(t, map[string]string{"1.1.1": ok}))
	if err != nil {
		t.Fatal(err)
	}
	if err := run.check(2); err == nil {
		t.Error("one case of two: got no error")
	}
	if _, err := readRun(t.TempDir()); err == nil {
		t.Error("no report: got no error")
	}
}
