package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	zmesh "zmesh.example/client/gen/zmesh/v1"
)

const (
	expert = "from-go"
	alias  = "canary"
)

func publish(ctx context.Context, registry zmesh.ExpertRegistryServiceClient, path string) (string, error) {
	vectors, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	perturb(vectors)
	manifest, err := registry.GetModel(ctx, &zmesh.GetModelRequest{Name: model})
	if err != nil {
		return "", err
	}
	answer, err := registry.PublishExpert(ctx, &zmesh.PublishExpertRequest{
		Spec: &zmesh.ExpertSpec{
			Model:         model,
			Name:          expert,
			BasisId:       manifest.GetModel().GetBasisId(),
			Normalisation: zmesh.Normalisation_NORMALISATION_TRACE,
			Description:   "the math expert, perturbed",
			Metadata:      map[string]string{"language": "go"},
		},
		Vectors: vectors,
	})
	if err != nil {
		return "", err
	}
	if !answer.GetCreated() {
		return "", fmt.Errorf("wrong result: the version was there before")
	}
	version := answer.GetExpert().GetVersion()
	return version, report("publish", facts{
		"version": version, "vectors_sha256": answer.GetExpert().GetVectorsSha256(),
	})
}

// perturb moves every multiplier of a safetensors file by up to 1 %: another version. The header stays as it is.
func perturb(safetensors []byte) {
	data := safetensors[8+binary.LittleEndian.Uint64(safetensors):]
	for ; len(data) > 0; data = data[4:] {
		multiplier := math.Float32frombits(binary.LittleEndian.Uint32(data))
		multiplier *= 0.99 + 0.02*rand.Float32()
		binary.LittleEndian.PutUint32(data, math.Float32bits(multiplier))
	}
}

// moveAlias moves the alias by compare-and-set: nobody else's move is lost.
func moveAlias(ctx context.Context, registry zmesh.ExpertRegistryServiceClient, version string) error {
	before := ""
	name := fmt.Sprintf("%s/%s@%s", model, expert, alias)
	current, err := registry.GetExpert(ctx, &zmesh.GetExpertRequest{Name: name})
	switch status.Code(err) {
	case codes.OK:
		before = current.GetExpert().GetVersion()
	case codes.NotFound:
	default:
		return err
	}
	answer, err := registry.SetAlias(ctx, &zmesh.SetAliasRequest{
		Model: model, Expert: expert, Alias: alias, Version: version, ExpectedVersion: &before,
	})
	if err != nil {
		return err
	}
	if answer.GetVersion() != version || answer.GetPreviousVersion() != before {
		return fmt.Errorf("wrong result: the alias points to %s, before to %s", answer.GetVersion(), answer.GetPreviousVersion())
	}
	return report("alias", facts{"alias": alias, "version": version, "previous_version": before})
}

// useExpert shows that the next answer is the new version's.
func useExpert(ctx context.Context, dispatcher zmesh.DispatcherServiceClient, version string) error {
	request := ask()
	name := &zmesh.ExpertStrategy{Expert: expert + "@" + alias}
	request.Strategy = &zmesh.Strategy{Kind: &zmesh.Strategy_Expert{Expert: name}}
	answer, err := dispatcher.Complete(ctx, &zmesh.CompleteRequest{Request: request})
	if err != nil {
		return err
	}
	used := experts(answer.GetReceipt())
	if len(used) != 1 || used[0] != fmt.Sprintf("%s/%s@%s", model, expert, version) {
		return fmt.Errorf("wrong result: answered by %v", used)
	}
	return report("use", facts{"experts": used, "text": answer.GetAnswers()[0].GetText()})
}
