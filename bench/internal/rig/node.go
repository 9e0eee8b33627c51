//go:build linux

package rig

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// nodeProgram is the server of npm's ws, below Rig.NodeDir.
const nodeProgram = "server.mjs"

// InstallNode makes npm's ws ready in its folder: npm installs what the lock file
// there names, unless it has done so before. What npm says goes to progress.
func InstallNode(dir string, progress io.Writer) error {
	if _, err := os.Stat(filepath.Join(dir, nodeProgram)); err != nil {
		return fmt.Errorf("rig: no server of ws there: %w", err)
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

func (c *Case) nodeCommand(dir string) []string {
	mode := "echo"
	if c.Kind == Broadcast {
		mode = "broadcast"
	}
	return []string{"node", "--expose-gc", filepath.Join(dir, nodeProgram), mode, c.Deflate}
}

// warmer gives the case the time that V8 needs to compile what is hot.
func (c *Case) warmer() *Case {
	warm := *c
	warm.Warm = max(c.Warm, 2*c.Measure)
	return &warm
}
