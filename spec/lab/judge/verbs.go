package main

import (
	"flag"
	"fmt"
	"strings"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

var verbs = map[string]func(client, []string) error{
	"version": func(c client, _ []string) error {
		return show(c.runtime.Version(c.ctx, &cri.VersionRequest{}))
	},
	"info": func(c client, _ []string) error {
		return show(c.runtime.Status(c.ctx, &cri.StatusRequest{Verbose: true}))
	},
	"images": func(c client, _ []string) error {
		return show(c.images.ListImages(c.ctx, &cri.ListImagesRequest{}))
	},
	"pods": func(c client, _ []string) error {
		return show(c.runtime.ListPodSandbox(c.ctx, &cri.ListPodSandboxRequest{}))
	},
	"ps": func(c client, _ []string) error {
		return show(c.runtime.ListContainers(c.ctx, &cri.ListContainersRequest{}))
	},
	"runp":   runPod,
	"create": create,
	"exec":   exec,
	"inspectp": each(func(c client, id string) error {
		return show(c.runtime.PodSandboxStatus(c.ctx, &cri.PodSandboxStatusRequest{PodSandboxId: id, Verbose: true}))
	}),
	"inspect": each(func(c client, id string) error {
		return show(c.runtime.ContainerStatus(c.ctx, &cri.ContainerStatusRequest{ContainerId: id, Verbose: true}))
	}),
	"start": each(func(c client, id string) error {
		_, err := c.runtime.StartContainer(c.ctx, &cri.StartContainerRequest{ContainerId: id})
		return said(id, err)
	}),
	"stop": each(func(c client, id string) error {
		_, err := c.runtime.StopContainer(c.ctx, &cri.StopContainerRequest{ContainerId: id})
		return said(id, err)
	}),
	"rm": each(func(c client, id string) error {
		_, err := c.runtime.RemoveContainer(c.ctx, &cri.RemoveContainerRequest{ContainerId: id})
		return said(id, err)
	}),
	"stopp": each(func(c client, id string) error {
		_, err := c.runtime.StopPodSandbox(c.ctx, &cri.StopPodSandboxRequest{PodSandboxId: id})
		return said(id, err)
	}),
	"rmp": each(func(c client, id string) error {
		_, err := c.runtime.RemovePodSandbox(c.ctx, &cri.RemovePodSandboxRequest{PodSandboxId: id})
		return said(id, err)
	}),
}

func said(id string, err error) error {
	if err == nil {
		fmt.Println(id)
	}
	return err
}

func each(one func(client, string) error) func(client, []string) error {
	return func(c client, ids []string) error {
		for _, id := range ids {
			if err := one(c, id); err != nil {
				return err
			}
		}
		return nil
	}
}

func runPod(c client, args []string) error {
	flags := flag.NewFlagSet("runp", flag.ContinueOnError)
	handler := flags.String("runtime", "", "the handler")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("runp [--runtime HANDLER] POD.json")
	}
	var pod cri.PodSandboxConfig
	if err := load(flags.Arg(0), &pod); err != nil {
		return err
	}
	answer, err := c.runtime.RunPodSandbox(c.ctx, &cri.RunPodSandboxRequest{Config: &pod, RuntimeHandler: *handler})
	return said(answer.GetPodSandboxId(), err)
}

func create(c client, args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("create POD CONTAINER.json POD.json")
	}
	var container cri.ContainerConfig
	var pod cri.PodSandboxConfig
	if err := load(args[1], &container); err != nil {
		return err
	}
	if err := load(args[2], &pod); err != nil {
		return err
	}
	answer, err := c.runtime.CreateContainer(c.ctx, &cri.CreateContainerRequest{PodSandboxId: args[0], Config: &container, SandboxConfig: &pod})
	return said(answer.GetContainerId(), err)
}

// crictl streams by default; this is its `exec --sync`
func exec(c client, args []string) error {
	if len(args) > 0 && strings.HasPrefix(args[0], "-") {
		args = args[1:]
	}
	if len(args) < 2 {
		return fmt.Errorf("exec [--sync] CONTAINER COMMAND...")
	}
	answer, err := c.runtime.ExecSync(c.ctx, &cri.ExecSyncRequest{ContainerId: args[0], Cmd: args[1:], Timeout: 30})
	if err != nil {
		return err
	}
	fmt.Printf("%s%s", answer.Stdout, answer.Stderr)
	if answer.ExitCode != 0 {
		return fmt.Errorf("exit code %d", answer.ExitCode)
	}
	return nil
}
