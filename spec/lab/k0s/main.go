// A stand-in for k0s on hosts of the lab, and no part of k0s: it does what k0s does with its containerd's configuration, for a version that
// the linker puts in. Up to 1.35 it merges drop-ins with tables of the CRI into the defaults; from 1.36 on containerd imports them, and a
// drop-in of another schema keeps it from starting. The containerd that it runs is a real one.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
)

const (
	mainFile = "/etc/k0s/containerd.toml"
	dropIns  = "/etc/k0s/containerd.d"
	runDir   = "/run/k0s"
	criFile  = runDir + "/containerd-cri.toml"
	dataDir  = "/var/lib/k0s"
	binary   = dataDir + "/bin/containerd"
	goods    = "/mnt/containerd"
	header   = "# k0s_managed=true\n" +
		"# This is a placeholder configuration for k0s managed containerd.\n" +
		"# If you wish to override the config, remove the first line and replace this file with your custom configuration.\n"
)

// Set by the linker: "v1.34.10+k0s.0".
var version = "v0.0.0"

func main() {
	verb := ""
	if len(os.Args) > 1 {
		verb = os.Args[1]
	}
	switch verb {
	case "version":
		fmt.Println(version)
	case "worker":
		if err := work(); err != nil {
			fmt.Fprintln(os.Stderr, "Error:", err)
			os.Exit(1)
		}
	case "render":
		// For a spec: "main" or "cri", the folder of drop-ins, and the defaults as containerd prints them on standard input.
		if err := renderTo(os.Args[2], os.Args[3], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "Error:", err)
			os.Exit(1)
		}
	default:
		fmt.Fprintln(os.Stderr, "Error: unknown command")
		os.Exit(1)
	}
}

// Up to 1.35 k0s merges drop-ins itself.
func merges() bool {
	found := regexp.MustCompile(`^v1\.(\d+)\.`).FindStringSubmatch(version)
	minor, err := strconv.Atoi(append(found, "", "")[1])
	return err == nil && minor < 36
}

func work() error {
	if !merges() {
		if err := preflight(); err != nil {
			return err
		}
	}
	if err := stage(); err != nil {
		return err
	}
	if err := writeConfig(); err != nil {
		return err
	}
	changes, err := watch(dropIns)
	if err != nil {
		return err
	}
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGTERM, syscall.SIGINT)
	supervise(changes, ends)
	return nil
}

// k0s unpacks its programs at each start.
func stage() error {
	from := goods + "/2/bin"
	if merges() {
		from = goods + "/1/bin"
	}
	for _, folder := range []string{dataDir + "/bin", runDir, dropIns, filepath.Dir(mainFile)} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"containerd", "containerd-shim-runc-v2"} {
		bytes, err := os.ReadFile(from + "/" + name)
		if err != nil {
			return err
		}
		to := dataDir + "/bin/" + name
		if now, err := os.ReadFile(to); err == nil && string(now) == string(bytes) {
			continue
		}
		if err := os.WriteFile(to+".new", bytes, 0o755); err != nil {
			return err
		}
		if err := os.Rename(to+".new", to); err != nil {
			return err
		}
	}
	return nil
}
