package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const contractTestdata = "internal/typescript/testdata/"

func TestContractPrintsAModuleOrAmbientDeclarations(t *testing.T) {
	tests := []struct {
		args []string
		has  []string
		not  []string
	}{
		{[]string{"ts"}, []string{"import type", "export interface Item", "export function failed", "SignalR", "SocketIO"}, []string{"declare"}},
		{[]string{"dts"}, []string{"declare namespace Everything {", "SignalR", "SocketIO"}, []string{"export", "import type"}},
		{[]string{"ts", "-for", "signalr"}, []string{"SignalR", "urlValue"}, []string{"SocketIO", "URLValue", "Failure"}},
		{[]string{"ts", "-for", "socketio"}, []string{"SocketIO", "URLValue"}, []string{"SignalR", "urlValue"}},
		{[]string{"ts", "-for", "signalr", "-declared"}, []string{"URLValue"}, []string{"urlValue"}},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		if err := run(t.Context(), append(append([]string{"contract"}, tt.args...), contractTestdata+"everything"), nil, &out, io.Discard); err != nil {
			t.Errorf("%q: %v", tt.args, err)
			continue
		}
		for _, want := range tt.has {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q prints no %q", tt.args, want)
			}
		}
		for _, unwanted := range tt.not {
			if strings.Contains(out.String(), unwanted) {
				t.Errorf("%q prints %q", tt.args, unwanted)
			}
		}
	}
}

func TestContractWritesAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "jobs.ts")
	args := []string{"ts", "-o", file, "github.com/parley-go/parley/examples/duplex/jobs"}
	var out bytes.Buffer
	if err := contract(t.Context(), args, &out, io.Discard); err != nil || out.Len() > 0 {
		t.Fatalf("%v, %q", err, out.String())
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "run: (order: Order) => Report;") {
		t.Errorf("%v: %s", err, text)
	}
	args[len(args)-1] = contractTestdata + "broken"
	if err := contract(t.Context(), args, &out, io.Discard); err == nil {
		t.Error("a package that does not compile was printed")
	}
	if after, _ := os.ReadFile(file); !bytes.Equal(after, text) {
		t.Error("a failure has changed the file of before")
	}
}

func TestContractRefusesNonsense(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{nil, "ts or dts"},
		{[]string{"ts"}, "one package"},
		{[]string{"go", contractTestdata + "everything"}, "ts or dts"},
		{[]string{"ts", "a", "b"}, "one package"},
		{[]string{"ts", "-for", "carrier-pigeon", contractTestdata + "everything"}, "carrier-pigeon"},
		{[]string{"ts", contractTestdata + "silent"}, "has no contracts"},
		{[]string{"ts", contractTestdata + "broken"}, contractTestdata + "broken/broken.go:5:26: undefined: Draft"},
		{[]string{"ts", "example.com/nowhere"}, "example.com/nowhere"},
		{[]string{"ts", "-o", filepath.Join("no", "such", "folder"), contractTestdata + "everything"}, "no such file"},
	}
	for _, tt := range tests {
		err := contract(t.Context(), tt.args, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("contract %q: %v, want %q", tt.args, err, tt.want)
		}
	}
}
