package bench_test

import (
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
)

// costLimit is what one cel-go program may spend: who evaluates what others
// wrote cannot do without one.
const costLimit = 100_000

// cel compiles the policy once. The claims are variables of their own, which is
// faster than one map of them all.
func (p peerPolicy) cel(t testing.TB, payload map[string]any) mapper {
	t.Helper()
	env, err := celEnv(payload)
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.compileCEL(env, payload)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func celEnv(payload map[string]any) (*cel.Env, error) {
	options := []cel.EnvOption{ext.Strings()}
	for name, v := range payload {
		switch v.(type) {
		case string:
			options = append(options, cel.Variable(name, cel.StringType))
		case []any:
			options = append(options, cel.Variable(name, cel.ListType(cel.StringType)))
		}
	}
	return cel.NewEnv(options...)
}

func (p peerPolicy) compileCEL(env *cel.Env, payload map[string]any) (mapper, error) {
	activation, err := cel.NewActivation(payload)
	if err != nil {
		return nil, err
	}
	return p.compiled(func(t text) (program, error) {
		if t.cel == "" {
			return nil, nil
		}
		ast, issues := env.Compile(t.cel)
		if issues.Err() != nil {
			return nil, issues.Err()
		}
		prg, err := env.Program(ast, cel.CostLimit(costLimit), cel.EvalOptions(cel.OptOptimize))
		if err != nil {
			return nil, err
		}
		return func() (any, error) {
			v, _, err := prg.Eval(activation)
			if b, ok := v.(types.Bool); ok {
				return bool(b), err
			}
			return v, err
		}, nil
	}, celStrings)
}

func celStrings(v any, to []string) []string {
	list := v.(traits.Lister)
	size, _ := list.Size().(types.Int)
	for i := range size {
		s, _ := list.Get(i).Value().(string)
		to = append(to, s)
	}
	return to
}

// expr compiles the policy once, and runs it on one machine.
func (p peerPolicy) expr(t testing.TB, payload map[string]any) mapper {
	t.Helper()
	m, err := p.compileExpr(payload)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (p peerPolicy) compileExpr(payload map[string]any) (mapper, error) {
	machine := new(vm.VM)
	env := expr.Env(payload)
	return p.compiled(func(t text) (program, error) {
		if t.expr == "" {
			return nil, nil
		}
		prg, err := expr.Compile(t.expr, env)
		if err != nil {
			return nil, err
		}
		return func() (any, error) { return machine.Run(prg, payload) }, nil
	}, exprStrings)
}

func exprStrings(v any, to []string) []string {
	for _, item := range v.([]any) {
		s, _ := item.(string)
		to = append(to, s)
	}
	return to
}
