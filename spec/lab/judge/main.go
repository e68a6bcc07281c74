// The lab's independent judge of a CRI: a small client with crictl's verbs and answers, on Kubernetes' own CRI types.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/gogo/protobuf/jsonpb"
	"github.com/gogo/protobuf/proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

type client struct {
	runtime cri.RuntimeServiceClient
	images  cri.ImageServiceClient
	ctx     context.Context
}

func main() {
	endpoint := flag.String("runtime-endpoint", "unix:///run/containerd/containerd.sock", "the engine's socket")
	timeout := flag.Duration("timeout", 60*time.Second, "for one call")
	flag.Parse()
	if err := run(*endpoint, *timeout, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(endpoint string, timeout time.Duration, args []string) error {
	if len(args) == 0 {
		return errors.New("no verb")
	}
	connection, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	verb, found := verbs[args[0]]
	if !found {
		return fmt.Errorf("no verb %q", args[0])
	}
	return verb(client{cri.NewRuntimeServiceClient(connection), cri.NewImageServiceClient(connection), ctx}, args[1:])
}

// crictl's shape: lowerCamelCase, enums by name, nothing left out because it is zero
func show(value proto.Message, err error) error {
	if err != nil {
		return err
	}
	marshaler := jsonpb.Marshaler{EmitDefaults: true, Indent: "  "}
	if err := marshaler.Marshal(os.Stdout, value); err != nil {
		return err
	}
	fmt.Println()
	return nil
}

func load(file string, into any) error {
	bytes, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(bytes, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
