// A stand-in for nodeadm (EKS): the chain of its configuration sources, its merge and its templates, without IMDS, EC2 and kubelet.
// Merge, choice of the template and templates are those of github.com/awslabs/amazon-eks-ami at 81fec2e8 (MIT-0), whose module is on no proxy.
//
// User data is a file. The environment says what else the host would: NODEADM_ROOT (writes below that folder), NODEADM_USER_DATA,
// NODEADM_KUBELET (its version), NODEADM_CONTAINERD (the program), NODEADM_NVIDIA (any value: its runtime is installed), and
// NODEADM_EFFECT: `restart`, as nodeadm does from v20260520 on, or `start`, as before.
package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"text/template"

	"dario.cat/mergo"
	"github.com/pelletier/go-toml/v2"
	"sigs.k8s.io/yaml"
)

//go:embed config.template.toml
var template2 string

//go:embed config2.template.toml
var template3 string

//go:embed base-runtime-spec.json
var baseRuntimeSpec string

var errNoConfig = errors.New("no config")

type nodeConfig struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       spec   `json:"spec"`
}

type spec struct {
	Cluster    map[string]any    `json:"cluster,omitempty"`
	Containerd containerdOptions `json:"containerd,omitempty"`
}

type containerdOptions struct {
	Config          string         `json:"config,omitempty"`
	BaseRuntimeSpec map[string]any `json:"baseRuntimeSpec,omitempty"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "nodeadm stand-in:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var sources []string
	var skip, cache string
	if len(args) == 0 || args[0] != "init" {
		return errors.New("the only command is init")
	}
	for i := 1; i+1 < len(args); i += 2 {
		switch args[i] {
		case "--skip":
			skip = args[i+1]
		case "--config-source":
			sources = append(sources, args[i+1])
		case "--config-cache":
			cache = args[i+1]
		}
	}
	config, err := provide(sources)
	if err != nil {
		return err
	}
	cached := load(cache)
	changed := cached != nil && !reflect.DeepEqual(cached.Spec, config.Spec)
	for _, key := range []string{"name", "apiServerEndpoint", "certificateAuthority", "cidr"} {
		if config.Spec.Cluster[key] == nil {
			return fmt.Errorf("%s is missing in cluster configuration", key)
		}
	}
	if changed || skip != "config" {
		if err := configure(config); err != nil {
			return err
		}
		data, err := json.Marshal(config)
		if err != nil {
			return err
		}
		if err := write(cache, data); err != nil {
			return err
		}
	}
	if skip == "run" {
		return nil
	}
	for _, daemon := range []string{"containerd", "kubelet"} {
		verb := setting("NODEADM_EFFECT", "restart")
		if out, err := exec.Command("systemctl", verb, daemon).CombinedOutput(); err != nil {
			return fmt.Errorf("%s of %s: %s", verb, daemon, out)
		}
	}
	return nil
}

func provide(sources []string) (*nodeConfig, error) {
	var configs []*nodeConfig
	for _, source := range sources {
		var config *nodeConfig
		var err error
		if strings.HasPrefix(source, "imds:") {
			config, err = parseFile(setting("NODEADM_USER_DATA", "/etc/lab/user-data"))
		} else {
			config, err = fromFolder(strings.TrimPrefix(source, "file://"))
		}
		if errors.Is(err, errNoConfig) {
			continue
		}
		if err != nil {
			return nil, err
		}
		configs = append(configs, config)
	}
	return mergeAll(configs)
}

func fromFolder(path string) (*nodeConfig, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var configs []*nodeConfig
	for _, entry := range entries {
		if entry.IsDir() || !regexp.MustCompile(`(?i)\.(yaml|yml|json)$`).MatchString(entry.Name()) {
			continue
		}
		config, err := parseFile(filepath.Join(path, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("failed to parse config file %s: %w", entry.Name(), err)
		}
		configs = append(configs, config)
	}
	return mergeAll(configs)
}

func parseFile(path string) (*nodeConfig, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	message, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return decode(data)
	}
	media, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(media, "multipart/") {
		return decode(data)
	}
	var configs []*nodeConfig
	reader := multipart.NewReader(message.Body, params["boundary"])
	for {
		part, err := reader.NextPart()
		if err == io.EOF {
			return mergeAll(configs)
		}
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(part.Header.Get("Content-Type"), "application/node.eks.aws") {
			continue
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return nil, err
		}
		config, err := decode(text)
		if err != nil {
			return nil, err
		}
		configs = append(configs, config)
	}
}

func decode(data []byte) (*nodeConfig, error) {
	config := &nodeConfig{}
	if err := yaml.Unmarshal(data, config); err != nil {
		return nil, err
	}
	if config.APIVersion != "node.eks.aws/v1alpha1" || config.Kind != "NodeConfig" {
		return nil, fmt.Errorf("failed to decode %q", config.Kind)
	}
	return config, nil
}

func mergeAll(configs []*nodeConfig) (*nodeConfig, error) {
	if len(configs) == 0 {
		return nil, errNoConfig
	}
	merged := configs[0]
	for _, next := range configs[1:] {
		text, err := mergeToml(merged.Spec.Containerd.Config, next.Spec.Containerd.Config)
		if err != nil {
			return nil, err
		}
		next.Spec.Containerd.Config = ""
		merged.Spec.Containerd.Config = ""
		if err := mergo.Merge(merged, next, mergo.WithOverride); err != nil {
			return nil, err
		}
		merged.Spec.Containerd.Config = text
	}
	return merged, nil
}

func mergeToml(a, b string) (string, error) {
	if a == "" || b == "" {
		return a + b, nil
	}
	var left, right map[string]any
	if err := toml.Unmarshal([]byte(a), &left); err != nil {
		return "", err
	}
	if err := toml.Unmarshal([]byte(b), &right); err != nil {
		return "", err
	}
	if err := mergo.Merge(&left, &right, mergo.WithOverride); err != nil {
		return "", err
	}
	text, err := toml.Marshal(left)
	return string(text), err
}

func configure(config *nodeConfig) error {
	spec := []byte(baseRuntimeSpec)
	if len(config.Spec.Containerd.BaseRuntimeSpec) > 0 {
		var base map[string]any
		if err := json.Unmarshal(spec, &base); err != nil {
			return err
		}
		if err := mergo.Merge(&base, config.Spec.Containerd.BaseRuntimeSpec, mergo.WithOverride); err != nil {
			return err
		}
		var err error
		if spec, err = json.MarshalIndent(base, "", "    "); err != nil {
			return err
		}
	}
	if err := write("/etc/containerd/base-runtime-spec.json", spec); err != nil {
		return err
	}
	return writeContainerd(config.Spec.Containerd.Config)
}

func writeContainerd(config string) error {
	two := strings.HasPrefix(containerdVersion(), "2.")
	schema3 := strings.Contains(config, "io.containerd.cri.v1.images") || strings.Contains(config, "io.containerd.cri.v1.runtime")
	if !two && schema3 {
		return errors.New("failed to get config template version")
	}
	schema := template2
	if two && (config == "" || schema3) {
		schema = template3
	}
	vars := map[string]any{
		"EnableCDI": setting("NODEADM_KUBELET", "v1.34.0") >= "v1.32.0", "SandboxImage": "localhost/kubernetes/pause:latest",
		"RuntimeName": "runc", "RuntimeBinaryName": "/usr/sbin/runc", "UseSOCISnapshotter": false,
	}
	if os.Getenv("NODEADM_NVIDIA") != "" {
		vars["RuntimeName"], vars["RuntimeBinaryName"] = "nvidia", "/usr/bin/nvidia-container-runtime"
	}
	var rendered bytes.Buffer
	if err := template.Must(template.New("").Parse(schema)).Execute(&rendered, vars); err != nil {
		return err
	}
	text, err := mergeToml(rendered.String(), config)
	if err != nil {
		return err
	}
	file := "/etc/containerd/config.toml"
	if err := write(file, []byte(text)); err != nil {
		return err
	}
	if two && schema == template2 {
		migrated, err := exec.Command(containerd(), "-c", rooted(file), "config", "migrate").Output()
		if err != nil {
			return err
		}
		return write(file, migrated)
	}
	return nil
}

func containerdVersion() string {
	text, err := os.ReadFile(rooted("/etc/eks/containerd-version.txt"))
	if err != nil {
		text, _ = exec.Command(containerd(), "--version").Output()
	}
	return regexp.MustCompile(`[0-9]+\.[0-9]+.[0-9]+`).FindString(string(text))
}

func containerd() string {
	return setting("NODEADM_CONTAINERD", "containerd")
}

func load(cache string) *nodeConfig {
	data, err := os.ReadFile(rooted(cache))
	if err != nil {
		return nil
	}
	config := &nodeConfig{}
	if json.Unmarshal(data, config) != nil {
		return nil
	}
	return config
}

func setting(name, usual string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return usual
}

func rooted(path string) string {
	return filepath.Join(os.Getenv("NODEADM_ROOT"), path)
}

func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(rooted(path)), 0o755); err != nil {
		return err
	}
	return os.WriteFile(rooted(path), data, 0o644)
}
