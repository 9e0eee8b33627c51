//go:build linux

package rig

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine is where a comparison ran, and with what.
type Machine struct {
	Processor string
	Cores     int
	Memory    int // GiB
	Kernel    string
	Go        string
	Versions  []Version // of what was compared
}

// Version is that of one package.
type Version struct{ Package, Version string }

// rivals are the Go modules that are compared, or that decide what is.
var rivals = []string{
	"github.com/lxzan/gws", "github.com/gorilla/websocket", "github.com/coder/websocket",
	"github.com/gobwas/ws", "github.com/klauspost/compress",
}

// ThisMachine describes the machine, without its name.
func ThisMachine(nodeDir string) Machine {
	m := Machine{Processor: "unknown", Cores: len(processors()), Go: runtime.Version()}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		_, after, _ := strings.Cut(string(text), "model name\t: ")
		m.Processor, _, _ = strings.Cut(after, "\n")
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.Memory = int((uint64(info.Totalram)*uint64(info.Unit) + 1<<29) >> 30)
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		release, _, _ := strings.Cut(unix.ByteSliceToString(name.Release[:]), "-") // what follows names a build
		m.Kernel = "Linux " + release
	}
	m.Versions = append(goVersions(), nodeVersions(nodeDir)...)
	return m
}

func goVersions() (versions []Version) {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	for _, rival := range rivals {
		for _, dep := range build.Deps {
			if dep.Path == rival {
				versions = append(versions, Version{rival, dep.Version})
			}
		}
	}
	return versions
}

func nodeVersions(dir string) (versions []Version) {
	for _, name := range []string{"ws", "bufferutil", "socket.io"} {
		text, err := os.ReadFile(filepath.Join(dir, "node_modules", name, "package.json"))
		if err != nil {
			return nil
		}
		var about struct{ Version string }
		if json.Unmarshal(text, &about) == nil {
			versions = append(versions, Version{"npm " + name, about.Version})
		}
	}
	if out, err := exec.Command("node", "--version").Output(); err == nil {
		versions = append(versions, Version{"node", strings.TrimSpace(string(out))})
	}
	return versions
}

// versions says those of what was compared.
func (m Machine) versions() string {
	var versions []string
	for _, v := range m.Versions {
		versions = append(versions, v.Package+" "+v.Version)
	}
	return strings.Join(versions, ", ")
}

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %d GiB, %s, %s", m.Processor, m.Cores, m.Memory, m.Kernel, m.Go)
}
