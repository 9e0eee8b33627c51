//go:build linux

package rig

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// nodePrograms are the servers written for Node, below Rig.NodeDir.
var nodePrograms = map[string]string{nodeWS: "server.mjs", nodeSocketIO: "socketio.mjs"}

// NodeServers returns the names of the servers that are not written in Go.
func NodeServers() []string { return slices.Sorted(maps.Keys(nodePrograms)) }

// InstallNode makes npm's packages ready in their folder: npm installs what the lock file
// there names, unless it has done so before. What npm says goes to progress.
func InstallNode(dir string, progress io.Writer) error {
	if _, err := os.Stat(filepath.Join(dir, nodePrograms[nodeWS])); err != nil {
		return fmt.Errorf("rig: no servers for Node there: %w", err)
	}
	_, node := exec.LookPath("node")
	_, npm := exec.LookPath("npm")
	if err := errors.Join(node, npm); err != nil {
		return err
	}
	installed, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")) // npm writes it last
	lock, lerr := os.Stat(filepath.Join(dir, "package-lock.json"))
	if err == nil && lerr == nil && !installed.ModTime().Before(lock.ModTime()) {
		return nil
	}
	cmd := exec.Command("npm", "ci", "--no-audit", "--no-fund")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, progress, progress
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("rig: npm ci: %w", err)
	}
	return nil
}

func (c *Case) nodeCommand(dir, server string) []string {
	mode := "echo"
	if c.Kind == Broadcast {
		mode = "broadcast"
	}
	return []string{"node", "--expose-gc", filepath.Join(dir, nodePrograms[server]), mode, c.Deflate}
}

// warmer gives the case the time that V8 needs to compile what is hot.
func (c *Case) warmer() *Case {
	warm := *c
	warm.Warm = max(c.Warm, 2*c.Measure)
	return &warm
}
