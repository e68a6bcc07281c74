package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	quiet   = 3 * time.Second
	respawn = 5 * time.Second
)

// Tells of each name that is made, written, removed or renamed in the folder.
func watch(folder string) (<-chan struct{}, error) {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	mask := uint32(syscall.IN_CREATE | syscall.IN_MODIFY | syscall.IN_DELETE | syscall.IN_MOVED_FROM | syscall.IN_MOVED_TO)
	if _, err := syscall.InotifyAddWatch(fd, folder, mask); err != nil {
		return nil, err
	}
	changes := make(chan struct{})
	go func() {
		buffer := make([]byte, 64*1024)
		for {
			if n, err := syscall.Read(fd, buffer); err != nil && err != syscall.EINTR || n == 0 {
				return
			}
			changes <- struct{}{}
		}
	}()
	return changes, nil
}

// Runs containerd until a signal comes; a change ends it three seconds later, and five seconds after its end it is started again.
func supervise(changes <-chan struct{}, ends <-chan os.Signal) {
	child, gone := start()
	var settled, again <-chan time.Time
	for {
		select {
		case <-changes:
			settled = time.After(quiet)
		case <-settled:
			settled = nil
			if merges() {
				if err := writeConfig(); err != nil {
					fmt.Fprintln(os.Stderr, "failed to resolve config:", err)
					continue
				}
			}
			fmt.Fprintln(os.Stderr, "restart requested")
			if child != nil {
				_ = child.Process.Signal(syscall.SIGHUP)
			}
		case <-gone:
			child, gone = nil, nil
			again = time.After(respawn)
		case <-again:
			again = nil
			child, gone = start()
		case <-ends:
			if child != nil {
				_ = child.Process.Signal(syscall.SIGTERM)
				<-gone
			}
			return
		}
	}
}

func start() (*exec.Cmd, chan struct{}) {
	child := exec.Command(binary, "--root="+dataDir+"/containerd", "--state="+runDir+"/containerd", "--address="+runDir+"/containerd.sock",
		"--log-level=info", "--config="+mainFile)
	child.Env = append(os.Environ(), "PATH=/etc/lab/bin:"+dataDir+"/bin:/usr/sbin:/usr/bin")
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	gone := make(chan struct{})
	if err := child.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "containerd does not start:", err)
		close(gone)
		return nil, gone
	}
	go func() {
		_ = child.Wait()
		close(gone)
	}()
	return child, gone
}
