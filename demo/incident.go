package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

//go:embed incident.py
var incidentCode string

// incident describes the broken order service.
type incident struct {
	Alarm string          `json:"alarm"`
	Event json.RawMessage `json:"event"` // as CloudWatch sends it to a Lambda function, or from a member's bus to the triage's
}

// breakOrders breaks the order service. It runs Python, because moto supports boto3's protocols best.
func breakOrders(ctx context.Context, server *moto.Server, outputs map[string]string) (*incident, error) {
	python, err := moto.Tool("python")
	if err != nil {
		return nil, err
	}
	input, err := json.Marshal(map[string]string{
		"function": outputs["OutOrderService"], "role": outputs["OutOrderRole"], "table": outputs["OutOrdersTable"],
		"region": server.Region, "account": server.Account,
	})
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, python, "-c", incidentCode)
	cmd.Env = append(os.Environ(), server.Environ()...)
	cmd.Stdin = bytes.NewReader(input)
	output, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("break the order service: %w", err)
	}
	var happened incident
	if err := json.Unmarshal(output, &happened); err != nil {
		return nil, fmt.Errorf("read the result of incident.py: %w", err)
	}
	return &happened, nil
}
