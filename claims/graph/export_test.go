package graph

import "context"

// ReadGroups, ParseUUID and ReadCode are what reads answers.
var (
	ReadGroups = readGroups
	ParseUUID  = parseUUID
	ReadCode   = errorCode
)

// Bounds that tests reach for.
const (
	MaxEntries = maxEntries
	MaxIDs     = maxIDs
	MaxBody    = maxBody
	MaxGroups  = maxGroups
)

// Memory is what a resolver remembers, filled without requests.
type Memory struct{ m memory }

// NewMemory returns an empty one with the usual MaxAge.
func NewMemory() *Memory { return &Memory{memory{maxAge: defaultMaxAge}} }

// Keep remembers groups for a person.
func (m *Memory) Keep(id string, groups []string) {
	e := m.m.entry(holder{id: id})
	m.m.keep(e, m.m.turned, answer{groups: groups})
}

// Touch asks for a person, as a lookup does, and reports whether the groups are
// remembered.
func (m *Memory) Touch(id string) bool {
	_, ok := m.m.recall(m.m.entry(holder{id: id}))
	return ok
}

// Size returns how many people and IDs are remembered.
func (m *Memory) Size() (people, ids int) {
	seen := make(map[*entry]bool)
	for _, generation := range []map[holder]*entry{m.m.young, m.m.old} {
		for _, e := range generation {
			if !seen[e] {
				seen[e] = true
				ids += len(e.answer.groups)
			}
		}
	}
	return len(seen), ids
}

// LookUps returns a lookup for a person that begins after its caller has found
// nothing in memory.
func LookUps(cfg Config, id string) (func(context.Context) ([]string, error), error) {
	s, err := newService(cfg)
	if err != nil {
		return nil, err
	}
	who := holder{id: id}
	return func(ctx context.Context) ([]string, error) {
		return s.lookUp(ctx, s.known.entry(who), who).result()
	}, nil
}
