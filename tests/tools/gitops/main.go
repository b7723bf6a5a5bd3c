// Program gitops says what GitOps tools make of the status of objects: kstatus, which Flux and kpt use, and Argo CD's own Lua machine with the
// health script that this project ships.
//
//	gitops HEALTH.LUA < objects.json > verdicts.json
//
// Both are lists, in the same order.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	argo "github.com/argoproj/argo-cd/v3/util/lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type verdict struct {
	Kstatus string `json:"kstatus"`
	Argo    string `json:"argo"`
	Message string `json:"message"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gitops:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("name the health script")
	}
	script, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	var objects []json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return fmt.Errorf("read the objects: %w", err)
	}
	verdicts := make([]verdict, 0, len(objects))
	for _, text := range objects {
		// It reads whole numbers as such, which kstatus wants.
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(text); err != nil {
			return fmt.Errorf("read an object: %w", err)
		}
		judged, err := judge(object, string(script))
		if err != nil {
			return err
		}
		verdicts = append(verdicts, judged)
	}
	return json.NewEncoder(os.Stdout).Encode(verdicts)
}

func judge(object *unstructured.Unstructured, script string) (verdict, error) {
	computed, err := status.Compute(object)
	if err != nil {
		return verdict{}, fmt.Errorf("kstatus: %w", err)
	}
	health, err := argo.VM{}.ExecuteHealthLua(object, script)
	if err != nil {
		return verdict{}, fmt.Errorf("argo: %w", err)
	}
	return verdict{computed.Status.String(), string(health.Status), health.Message}, nil
}
