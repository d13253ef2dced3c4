// A zmesh client in Go: every step prints one line of JSON, a wrong result ends it with status 1.
//
//	go run . -dispatcher 127.0.0.1:50051 -registry 127.0.0.1:50052 -vectors …/experts/math.safetensors
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	zmesh "zmesh.example/client/gen/zmesh/v1"
)

const (
	model    = "octo-nano"
	question = "Mia has 889 cards and gives away 657. How many cards now?"
)

func main() {
	dispatcherAddress := flag.String("dispatcher", "", "host:port of the dispatcher")
	registryAddress := flag.String("registry", "", "host:port of the expert registry")
	vectors := flag.String("vectors", "", "safetensors file of an expert")
	flag.Parse()
	if err := run(context.Background(), *dispatcherAddress, *registryAddress, *vectors); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dispatcherAddress, registryAddress, vectors string) error {
	front, err := dial(dispatcherAddress)
	if err != nil {
		return err
	}
	defer front.Close()
	store, err := dial(registryAddress)
	if err != nil {
		return err
	}
	defer store.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()

	dispatcher := zmesh.NewDispatcherServiceClient(front)
	registry := zmesh.NewExpertRegistryServiceClient(store)
	version := ""
	steps := []func() error{
		func() error { return classify(ctx, dispatcher) },
		func() error { return generate(ctx, dispatcher) },
		func() (err error) { version, err = publish(ctx, registry, vectors); return err },
		func() error { return moveAlias(ctx, registry, version) },
		func() error { return useExpert(ctx, dispatcher, version) },
		func() error { return cancelStream(ctx, dispatcher) },
		func() error { return missDeadline(ctx, dispatcher) },
		func() error { return readReason(ctx, dispatcher) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func dial(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
}

func classify(ctx context.Context, dispatcher zmesh.DispatcherServiceClient) error {
	answer, err := dispatcher.Classify(ctx, &zmesh.ClassifyRequest{Model: model, Prompt: chat(question)})
	if err != nil {
		return err
	}
	found := answer.GetClassification()
	if found.GetLabel() != "math" {
		return fmt.Errorf("wrong result: label %q", found.GetLabel())
	}
	return report("classify", facts{
		"label": found.GetLabel(), "confidence": found.GetConfidence(), "expert": found.GetLabels()[0].GetExpert(),
	})
}

// generate streams an answer; the receipt is the last message, its short form comes with the trailing metadata.
func generate(ctx context.Context, dispatcher zmesh.DispatcherServiceClient) error {
	stream, err := dispatcher.Generate(ctx, ask())
	if err != nil {
		return err
	}
	var text strings.Builder
	var end *zmesh.AnswerEnd
	var receipt *zmesh.Receipt
	deltas := 0
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch event := message.GetEvent().(type) {
		case *zmesh.GenerateResponse_Delta:
			deltas++
			text.WriteString(event.Delta.GetText())
		case *zmesh.GenerateResponse_End:
			end = event.End
		case *zmesh.GenerateResponse_Receipt:
			receipt = event.Receipt
		}
	}
	if !strings.HasSuffix(text.String(), "answer 232") || end == nil || receipt == nil {
		return fmt.Errorf("wrong result: answer %q, end %v, receipt %v", text.String(), end, receipt)
	}
	err = report("generate", facts{"text": text.String(), "deltas": deltas, "finish_reason": end.GetFinishReason().String()})
	if err != nil {
		return err
	}
	return reportReceipt(receipt, stream.Trailer())
}

func reportReceipt(receipt *zmesh.Receipt, trailer metadata.MD) error {
	first := func(key string) string { return strings.Join(trailer.Get(key), "") }
	return report("receipt", facts{
		"strategy_used":      receipt.GetStrategyUsed(),
		"label":              receipt.GetClassification().GetLabel(),
		"experts":            experts(receipt),
		"completion_tokens":  receipt.GetUsage().GetCompletionTokens(),
		"request_id":         receipt.GetRequestId(),
		"trace_id":           receipt.GetTraceId(),
		"trailer_request_id": first("zmesh-request-id"),
		"trailer_trace_id":   first("zmesh-trace-id"),
		"trailer_receipt":    json.RawMessage(first("zmesh-receipt")),
	})
}

func cancelStream(ctx context.Context, dispatcher zmesh.DispatcherServiceClient) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := dispatcher.Generate(ctx, longAnswer())
	if err != nil {
		return err
	}
	deltas, traceID, err := drain(stream, func(deltas int) {
		if deltas == 3 {
			cancel()
		}
	})
	if status.Code(err) != codes.Canceled {
		return fmt.Errorf("wrong result: the cancelled stream ended with %v", err)
	}
	return report("cancel", facts{"code": "CANCELLED", "deltas": deltas, "trace_id": traceID})
}

func missDeadline(ctx context.Context, dispatcher zmesh.DispatcherServiceClient) error {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	start := time.Now()
	stream, err := dispatcher.Generate(ctx, longAnswer())
	if err != nil {
		return err
	}
	_, traceID, err := drain(stream, func(int) {})
	if status.Code(err) != codes.DeadlineExceeded {
		return fmt.Errorf("wrong result: the late stream ended with %v", err)
	}
	return report("deadline", facts{
		"code": "DEADLINE_EXCEEDED", "waited_ms": time.Since(start).Milliseconds(), "trace_id": traceID,
	})
}

// drain reads a stream until it fails and tells onDelta how many deltas there were so far.
func drain(stream grpc.ServerStreamingClient[zmesh.GenerateResponse], onDelta func(int)) (int, string, error) {
	deltas, traceID := 0, ""
	for {
		message, err := stream.Recv()
		if err != nil {
			return deltas, traceID, err
		}
		if started := message.GetStarted(); started != nil {
			traceID = started.GetTraceId()
		}
		if message.GetDelta() != nil {
			deltas++
			onDelta(deltas)
		}
	}
}

// readReason reads google.rpc details: a stable reason, the limit and the value given.
func readReason(ctx context.Context, dispatcher zmesh.DispatcherServiceClient) error {
	request := ask()
	request.Sampling = &zmesh.Sampling{MaxTokens: proto.Uint32(500)}
	_, err := dispatcher.Complete(ctx, &zmesh.CompleteRequest{Request: request})
	failure, ok := status.FromError(err)
	if !ok || failure.Code() != codes.InvalidArgument {
		return fmt.Errorf("wrong result: the question and 500 tokens in a context of 512 gave %v", err)
	}
	for _, detail := range failure.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == "zmesh" {
			return report("error", facts{
				"code":    "INVALID_ARGUMENT",
				"reason":  info.GetReason(),
				"message": failure.Message(),
				"limit":   info.GetMetadata()["limit"],
				"value":   info.GetMetadata()["value"],
			})
		}
	}
	return fmt.Errorf("wrong result: no ErrorInfo of zmesh in %v", failure.Details())
}

func chat(text string) *zmesh.Prompt {
	messages := []*zmesh.ChatMessage{{Role: "user", Content: text}}
	return &zmesh.Prompt{Input: &zmesh.Prompt_Chat{Chat: &zmesh.Chat{Messages: messages}}}
}

// ask is a question of which the answer is known; greedy, so that it is the same every time.
func ask() *zmesh.GenerateRequest {
	return &zmesh.GenerateRequest{Model: model, Prompt: chat(question)}
}

// longAnswer is work for some seconds: 16 answers of 480 tokens that no end of turn cuts short.
func longAnswer() *zmesh.GenerateRequest {
	request := ask()
	request.N = 16
	request.Sampling = &zmesh.Sampling{
		MaxTokens: proto.Uint32(480), IgnoreEos: true, Temperature: proto.Float64(1), Seed: proto.Uint64(7),
	}
	return request
}

func experts(receipt *zmesh.Receipt) []string {
	names := []string{}
	for _, arm := range receipt.GetArms() {
		names = append(names, arm.GetExpert())
	}
	return names
}

type facts map[string]any

func report(step string, more facts) error {
	more["step"] = step
	line, err := json.Marshal(more)
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(line))
	return err
}
