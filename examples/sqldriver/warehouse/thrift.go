package warehouse

import (
	"bytes"
	"context"
	"fmt"

	"github.com/apache/thrift/lib/go/thrift"
)

// maxDepth bounds how deep the structs of a request nest. The driver's have
// four levels.
const maxDepth = 16

// object is a Thrift struct to be written: bool, int32, int64, string, []byte,
// object, []object and []string by field ID.
type object []field

type field struct {
	id    int16
	value any
}

// request is a Thrift struct that was read: the strings and structs in it by
// field ID. What is not needed here is left out.
type request map[int16]any

// call is one call of the service.
type call struct {
	method   string
	sequence int32
	request  request
}

// readCall decodes a message of the binary protocol. The request is the first
// argument of each method.
func readCall(ctx context.Context, message []byte) (*call, error) {
	p := protocol(bytes.NewBuffer(message))
	method, kind, sequence, err := p.ReadMessageBegin(ctx)
	if err != nil {
		return nil, fmt.Errorf("warehouse: read the call: %w", err)
	}
	if kind != thrift.CALL {
		return nil, fmt.Errorf("warehouse: a Thrift message of type %d is no call", kind)
	}
	arguments, err := readStruct(ctx, p, maxDepth)
	if err != nil {
		return nil, fmt.Errorf("warehouse: read the arguments of %.64q: %w", method, err)
	}
	return &call{method, sequence, arguments.object(1)}, nil
}

func readStruct(ctx context.Context, p thrift.TProtocol, depth int) (request, error) {
	if depth == 0 {
		return nil, fmt.Errorf("more than %d structs in one another", maxDepth)
	}
	if _, err := p.ReadStructBegin(ctx); err != nil {
		return nil, err
	}
	read := make(request)
	for {
		_, kind, id, err := p.ReadFieldBegin(ctx)
		if err != nil {
			return nil, err
		}
		switch kind {
		case thrift.STOP:
			return read, p.ReadStructEnd(ctx)
		case thrift.STRING:
			read[id], err = p.ReadString(ctx)
		case thrift.STRUCT:
			read[id], err = readStruct(ctx, p, depth-1)
		default:
			err = p.Skip(ctx, kind)
		}
		if err != nil {
			return nil, err
		}
	}
}

// object returns a struct, an empty one if it is not there.
func (r request) object(id int16) request {
	inner, _ := r[id].(request)
	return inner
}

// text returns a string, an empty one if it is not there.
func (r request) text(id int16) string {
	text, _ := r[id].(string)
	return text
}

// reply encodes a method's result.
func (c *call) reply(ctx context.Context, result object) ([]byte, error) {
	return c.write(ctx, thrift.REPLY, func(p thrift.TProtocol) error {
		return writeStruct(ctx, p, object{{0, result}})
	})
}

// unknown encodes the answer to a method that the service does not have.
func (c *call) unknown(ctx context.Context) ([]byte, error) {
	return c.write(ctx, thrift.EXCEPTION, func(p thrift.TProtocol) error {
		return thrift.NewTApplicationException(thrift.UNKNOWN_METHOD, fmt.Sprintf("this warehouse knows no %.64q", c.method)).Write(ctx, p)
	})
}

func (c *call) write(ctx context.Context, kind thrift.TMessageType, body func(thrift.TProtocol) error) ([]byte, error) {
	var buffer bytes.Buffer
	p := protocol(&buffer)
	if err := p.WriteMessageBegin(ctx, c.method, kind, c.sequence); err != nil {
		return nil, err
	}
	if err := body(p); err != nil {
		return nil, err
	}
	if err := p.WriteMessageEnd(ctx); err != nil {
		return nil, err
	}
	return buffer.Bytes(), p.Flush(ctx)
}

func writeStruct(ctx context.Context, p thrift.TProtocol, o object) error {
	if err := p.WriteStructBegin(ctx, ""); err != nil {
		return err
	}
	for _, f := range o {
		if err := p.WriteFieldBegin(ctx, "", typeOf(f.value), f.id); err != nil {
			return err
		}
		if err := writeValue(ctx, p, f.value); err != nil {
			return err
		}
		if err := p.WriteFieldEnd(ctx); err != nil {
			return err
		}
	}
	if err := p.WriteFieldStop(ctx); err != nil {
		return err
	}
	return p.WriteStructEnd(ctx)
}

func writeValue(ctx context.Context, p thrift.TProtocol, value any) error {
	switch v := value.(type) {
	case bool:
		return p.WriteBool(ctx, v)
	case int32:
		return p.WriteI32(ctx, v)
	case int64:
		return p.WriteI64(ctx, v)
	case string:
		return p.WriteString(ctx, v)
	case []byte:
		return p.WriteBinary(ctx, v)
	case object:
		return writeStruct(ctx, p, v)
	case []object:
		return writeList(ctx, p, v)
	case []string:
		return writeList(ctx, p, v)
	}
	return fmt.Errorf("warehouse: cannot write a %T", value)
}

func writeList[T object | string](ctx context.Context, p thrift.TProtocol, list []T) error {
	var element T
	if err := p.WriteListBegin(ctx, typeOf(element), len(list)); err != nil {
		return err
	}
	for _, v := range list {
		if err := writeValue(ctx, p, v); err != nil {
			return err
		}
	}
	return p.WriteListEnd(ctx)
}

func typeOf(value any) thrift.TType {
	switch value.(type) {
	case bool:
		return thrift.BOOL
	case int32:
		return thrift.I32
	case int64:
		return thrift.I64
	case object:
		return thrift.STRUCT
	case []object, []string:
		return thrift.LIST
	}
	return thrift.STRING // text and binary alike
}

func protocol(buffer *bytes.Buffer) thrift.TProtocol {
	return thrift.NewTBinaryProtocolConf(&thrift.TMemoryBuffer{Buffer: buffer}, nil)
}
