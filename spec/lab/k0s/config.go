package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml"
)

const oldCri = "io.containerd.grpc.v1.cri"

// What the hosts of the lab need: no network for images, and cgroups without controllers.
var labSettings = map[string]any{"sandbox_image": "localhost/pause:lab", "disable_cgroup": true, "restrict_oom_score_adj": true}

const labPause, labNew = "localhost/pause:lab", "    restrict_oom_score_adj = true\n"

// From 1.36 on k0s refuses a drop-in of another schema before it starts anything.
func preflight() error {
	for _, path := range files(dropIns) {
		tree, err := toml.LoadFile(path)
		if err != nil {
			return fmt.Errorf("pre-flight: %s: %w", path, err)
		}
		if schema := tree.Get("version"); schema != nil && schema != int64(3) {
			return fmt.Errorf("pre-flight: %s: version %v, want 3", path, schema)
		}
		if tree.HasPath([]string{"plugins", oldCri}) {
			return fmt.Errorf("pre-flight: %s: it has the table of %s", path, oldCri)
		}
	}
	return nil
}

func isManaged() bool {
	text, err := os.ReadFile(mainFile)
	if err != nil {
		return os.IsNotExist(err)
	}
	lines := strings.Split(string(text), "\n")
	if !merges() {
		return lines[0] == "# k0s_managed=true"
	}
	for _, line := range lines {
		if line == "# k0s_managed=true" {
			return true
		}
	}
	return false
}

func writeConfig() error {
	if !isManaged() {
		return nil
	}
	if !merges() {
		return write(mainFile, newMain(labPause)+labNew)
	}
	defaults, err := exec.Command(binary, "config", "default").Output()
	if err != nil {
		return err
	}
	var rendered bytes.Buffer
	imports, err := render(dropIns, bytes.NewReader(defaults), &rendered, labSettings)
	if err != nil {
		return err
	}
	if err := write(criFile, rendered.String()); err != nil {
		return err
	}
	return write(mainFile, oldMain(imports))
}

func oldMain(imports []string) string {
	return header + "imports = [\"" + strings.Join(append(imports, criFile), "\", \"") + "\"]\nversion = 2\n"
}

func newMain(pause string) string {
	return header + "imports = [\"" + dropIns + "/*.toml\"]\nversion = 3\n\n[plugins]\n\n  [plugins.\"io.containerd.cri.v1.images\"]\n\n" +
		"    [plugins.\"io.containerd.cri.v1.images\".pinned_images]\n      sandbox = \"" + pause + "\"\n\n" +
		"  [plugins.\"io.containerd.cri.v1.runtime\"]\n"
}

// The files as k0s writes them, without what the hosts of the lab need.
func renderTo(what, folder string, defaults io.Reader, out io.Writer) error {
	if !merges() {
		_, err := io.WriteString(out, newMain("pause"))
		return err
	}
	var cri bytes.Buffer
	imports, err := render(folder, defaults, &cri, nil)
	if err != nil {
		return err
	}
	text := cri.String()
	if what == "main" {
		text = oldMain(imports)
	}
	_, err = io.WriteString(out, text)
	return err
}

// Each drop-in with tables of the CRI is a merge patch of the defaults; the others are imported.
func render(folder string, defaults io.Reader, out io.Writer, settings map[string]any) ([]string, error) {
	all, err := toml.LoadReader(defaults)
	if err != nil {
		return nil, err
	}
	cri, ok := all.GetPath([]string{"plugins", oldCri}).(*toml.Tree)
	if !ok {
		return nil, fmt.Errorf("the defaults have no table of %s", oldCri)
	}
	table := patch(cri.ToMap(), settings)
	result := map[string]any{"version": int64(2), "plugins": map[string]any{oldCri: table}}
	var imports []string
	for _, path := range files(folder) {
		tree, err := toml.LoadFile(path)
		if err != nil {
			return nil, fmt.Errorf("failed to resolve config: %s: %w", path, err)
		}
		if tree.HasPath([]string{"plugins", oldCri}) {
			result = patch(result, tree.ToMap())
		} else {
			imports = append(imports, path)
		}
	}
	tree, err := toml.TreeFromMap(result)
	if err != nil {
		return nil, err
	}
	_, err = tree.WriteTo(out)
	return imports, err
}

func patch(base, with map[string]any) map[string]any {
	for key, value := range with {
		inner, isTable := value.(map[string]any)
		old, wasTable := base[key].(map[string]any)
		if isTable && wasTable {
			base[key] = patch(old, inner)
		} else {
			base[key] = value
		}
	}
	return base
}

func files(folder string) []string {
	found, _ := filepath.Glob(folder + "/*.toml")
	return found
}

func write(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
