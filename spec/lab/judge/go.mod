module kata-sysext.lab/judge

go 1.26

require (
	github.com/gogo/protobuf v1.3.2
	google.golang.org/grpc v1.68.1
	k8s.io/cri-api v0.32.0
)

require (
	golang.org/x/net v0.30.0 // indirect
	golang.org/x/sys v0.26.0 // indirect
	golang.org/x/text v0.19.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20240903143218-8af14fe29dc1 // indirect
	google.golang.org/protobuf v1.35.1 // indirect
)
