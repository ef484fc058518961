package warehouse

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Codes of TCLIService.
const (
	codeSuccess       int32 = 0 // TStatusCode
	codeError         int32 = 3
	codeInvalidHandle int32 = 4

	stateFinished    int32 = 2 // TOperationState
	executeStatement int32 = 0 // TOperationType
	typeString       int32 = 7 // TTypeId
	formatColumns    int32 = 1 // TSparkRowSetType

	// protocolVersion is the first of the Spark versions: the driver may ask for
	// the result together with the statement, but not for Arrow or CloudFetch.
	protocolVersion int32 = 42241 // TProtocolVersion
)

// TStatus of every answer.
var (
	success       = object{{1, codeSuccess}}
	invalidHandle = object{{1, codeInvalidHandle}}
)

// opened is a TOpenSessionResp.
func opened(id []byte) object {
	return object{
		{1, success},
		{2, protocolVersion},
		{3, object{{1, handle(id)}}},
	}
}

// handle is a THandleIdentifier. The secret is for the server only; this one
// needs none.
func handle(id []byte) object { return object{{1, id}, {2, []byte{}}} }

// statement is the workspace's answer to a statement.
type statement struct {
	Status struct {
		State string
		Error struct{ Message string }
	}
	Manifest struct {
		Schema struct {
			Columns []struct{ Name string }
		}
	}
	Result struct {
		Rows [][]string `json:"data_array"`
	}
}

// executed is a TExecuteStatementResp with the whole result in it
// (TSparkDirectResults), so that the driver need not poll, fetch or close.
func executed(answer []byte) (object, error) {
	var s statement
	if err := json.Unmarshal(answer, &s); err != nil {
		return nil, fmt.Errorf("warehouse: read the workspace's answer: %w", err)
	}
	if s.Status.State != "SUCCEEDED" {
		return object{{1, object{{1, codeError}, {5, s.Status.Error.Message}}}}, nil
	}
	schema, columns, err := s.columns()
	if err != nil {
		return nil, err
	}
	return object{
		{1, success},
		{2, object{{1, handle(newID())}, {2, executeStatement}, {3, true}}},
		{1281, object{
			{1, object{{1, success}, {2, stateFinished}}},
			{2, object{{1, success}, {2, object{{1, schema}}}, {1281, formatColumns}}},
			{3, object{{1, success}, {2, false}, {3, object{{1, int64(0)}, {2, []object{}}, {3, columns}}}}},
			{4, object{{1, success}}},
		}},
	}, nil
}

// columns turns the rows into a TColumnDesc and a TColumn of text for each
// column.
func (s *statement) columns() (schema, columns []object, err error) {
	for i, column := range s.Manifest.Schema.Columns {
		var values []string
		for _, row := range s.Result.Rows {
			if i >= len(row) {
				return nil, nil, errors.New("warehouse: the workspace sent a row with too few values")
			}
			values = append(values, row[i])
		}
		text := object{{1, []object{{{1, object{{1, typeString}}}}}}}
		schema = append(schema, object{{1, column.Name}, {2, text}, {3, int32(i + 1)}})
		columns = append(columns, object{{7, object{{1, values}, {2, []byte{}}}}})
	}
	return schema, columns, nil
}
