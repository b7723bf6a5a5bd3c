// Program gitops says what GitOps tools make of objects: kstatus, which Flux and kpt use, and Argo CD's own Lua machine with the scripts that this
// project ships.
//
//	gitops health HEALTH.LUA < objects.json > verdicts.json
//	gitops actions ACTIONS.YAML < object.json > names.json
//	gitops act ACTIONS.YAML NAME < object.json > patch.json
//
// Objects and verdicts are lists, in the same order. The patch is the JSON merge patch that Argo CD would send.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	argo "github.com/argoproj/argo-cd/v3/util/lua"
	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type verdict struct {
	Kstatus string `json:"kstatus"`
	Argo    string `json:"argo"`
	Message string `json:"message"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gitops:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 2 {
		return errors.New("say what to do, and name the file of the scripts")
	}
	script, err := os.ReadFile(arguments[1])
	if err != nil {
		return err
	}
	var found any
	switch what := arguments[0]; {
	case what == "health" && len(arguments) == 2:
		found, err = judgeAll(string(script))
	case what == "actions" && len(arguments) == 2:
		found, err = listActions(string(script))
	case what == "act" && len(arguments) == 3:
		found, err = act(string(script), arguments[2])
	default:
		return fmt.Errorf("unknown: %q", arguments)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

// read takes an object from text. It keeps whole numbers as such, which kstatus wants.
func read(text []byte) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(text); err != nil {
		return nil, fmt.Errorf("read an object: %w", err)
	}
	return object, nil
}

func readOne() (*unstructured.Unstructured, error) {
	var text json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&text); err != nil {
		return nil, fmt.Errorf("read the object: %w", err)
	}
	return read(text)
}

func judgeAll(script string) ([]verdict, error) {
	var objects []json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return nil, fmt.Errorf("read the objects: %w", err)
	}
	verdicts := make([]verdict, 0, len(objects))
	for _, text := range objects {
		object, err := read(text)
		if err != nil {
			return nil, err
		}
		judged, err := judge(object, script)
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, judged)
	}
	return verdicts, nil
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

// machine knows the actions of an object's kind, as Argo CD's configuration names them.
func machine(object *unstructured.Unstructured, actions string) argo.VM {
	key := argo.GetConfigMapKey(object.GroupVersionKind())
	return argo.VM{ResourceOverrides: map[string]v1alpha1.ResourceOverride{key: {Actions: actions}}}
}

func listActions(actions string) ([]string, error) {
	object, err := readOne()
	if err != nil {
		return nil, err
	}
	vm := machine(object, actions)
	scripts, err := vm.GetResourceActionDiscovery(object)
	if err != nil {
		return nil, err
	}
	found, err := vm.ExecuteResourceActionDiscovery(object, scripts)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, action := range found {
		names = append(names, action.Name)
	}
	return names, nil
}

func act(actions, name string) (json.RawMessage, error) {
	object, err := readOne()
	if err != nil {
		return nil, err
	}
	before, err := object.MarshalJSON()
	if err != nil {
		return nil, err
	}
	vm := machine(object, actions)
	action, err := vm.GetResourceAction(object, name)
	if err != nil {
		return nil, err
	}
	changed, err := vm.ExecuteResourceAction(object, action.ActionLua, nil)
	if err != nil {
		return nil, err
	}
	if len(changed) != 1 || changed[0].K8SOperation != argo.PatchOperation {
		return nil, fmt.Errorf("%s changes more than the object", name)
	}
	after, err := changed[0].UnstructuredObj.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return jsonpatch.CreateMergePatch(before, after)
}
