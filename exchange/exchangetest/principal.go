package exchangetest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/brickfed/brickfed/exchange/trust"
)

// Principal is a service principal or a user.
type Principal struct {
	// ApplicationID makes it a service principal and is the client_id at the
	// token endpoint: a UUID. Either this or UserName is required.
	ApplicationID string

	// UserName makes it a user: the value that account federation policies
	// compare the subject with, usually an e-mail address.
	UserName string

	// ID is the numeric ID of the SCIM and policy APIs. Optional; by default the
	// next free one.
	ID string

	// DisplayName is for people. Optional; default ApplicationID or UserName.
	DisplayName string

	// Groups are the IDs of the groups that it is a member of, and may therefore
	// assume. Optional.
	Groups []string

	// Assumes are the IDs of further groups that it may assume without being a
	// member (role roles/group.assumer). Optional.
	Assumes []string

	// Scopes are those that it may ask for. Optional; default every scope.
	Scopes []string

	// Secret lets a service principal get tokens by client_credentials too.
	// Optional.
	Secret string

	// Policies are the federation policies of a service principal. Optional.
	Policies []trust.Policy

	// Admin may read and write federation policies over HTTP.
	Admin bool

	// Inactive gets no token, and tokens issued before are refused.
	Inactive bool
}

// Group is a Databricks group.
type Group struct {
	ID   string // numeric. Required.
	Name string // display name. Optional; default the ID.
}

var (
	uuidForm    = regexp.MustCompile(`\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\z`)
	numericForm = regexp.MustCompile(`\A[1-9][0-9]{0,17}\z`)
)

// Add adds principals, or replaces those of the same ApplicationID or UserName
// together with their policies. If one of them could not be, it is left out and
// told in the error.
func (s *Server) Add(principals ...Principal) error {
	var errs []error
	for _, p := range principals {
		if err := s.add(p); err != nil {
			errs = append(errs, fmt.Errorf("exchangetest: add principal %q: %w", p.name(), err))
		}
	}
	return errors.Join(errs...)
}

// Remove removes a principal by ApplicationID or UserName, and its policies.
// Tokens issued to it are refused from then on.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.byName(name)
	if p == nil {
		return
	}
	s.principals = slices.DeleteFunc(s.principals, func(o *Principal) bool { return o == p })
	s.dropPolicies(p.ID)
}

// AddGroup adds groups, or renames those with the same ID.
func (s *Server) AddGroup(groups ...Group) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, g := range groups {
		if !numericForm.MatchString(g.ID) {
			errs = append(errs, fmt.Errorf("exchangetest: add group %q: ID %q is not a number", g.Name, g.ID))
			continue
		}
		if g.Name == "" {
			g.Name = g.ID
		}
		if i := slices.IndexFunc(s.groups, func(o Group) bool { return o.ID == g.ID }); i >= 0 {
			s.groups[i] = g
			continue
		}
		s.groups = append(s.groups, g)
	}
	return errors.Join(errs...)
}

func (p *Principal) name() string {
	if p.ApplicationID != "" {
		return p.ApplicationID
	}
	return p.UserName
}

func (s *Server) add(p Principal) error {
	p.Groups, p.Assumes, p.Scopes = slices.Clone(p.Groups), slices.Clone(p.Assumes), slices.Clone(p.Scopes)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(&p); err != nil {
		return err
	}
	old := slices.IndexFunc(s.principals, func(o *Principal) bool { return o.name() == p.name() })
	if p.ID == "" && old >= 0 {
		p.ID = s.principals[old].ID
	}
	for p.ID == "" {
		s.lastID++
		if id := strconv.Itoa(7_000_000_000_000 + s.lastID); s.byID(id) == nil {
			p.ID = id
		}
	}
	if p.DisplayName == "" {
		p.DisplayName = p.name()
	}
	var policies []*policy
	for _, declared := range p.Policies {
		if declared.ServicePrincipalID == "" {
			declared.ServicePrincipalID = p.ID
		}
		policy, err := s.newPolicy(declared, p.ID, policies)
		if err != nil {
			return err
		}
		if !slices.Contains(policies, policy) {
			policies = append(policies, policy)
		}
	}
	p.Policies = nil // they live in s.policies, where the API changes them
	if old < 0 {
		s.principals = append(s.principals, &p)
		s.policies = append(s.policies, policies...)
		return nil
	}
	s.dropPolicies(s.principals[old].ID)
	s.policies = append(s.policies, policies...)
	s.principals[old] = &p
	return nil
}

func (s *Server) check(p *Principal) error {
	var errs []error
	switch {
	case (p.ApplicationID == "") == (p.UserName == ""):
		errs = append(errs, errors.New("set ApplicationID for a service principal or UserName for a user"))
	case p.ApplicationID != "" && !uuidForm.MatchString(p.ApplicationID):
		errs = append(errs, errors.New("ApplicationID is not a UUID in lower case"))
	case p.UserName != "" && (p.Secret != "" || len(p.Policies) > 0):
		errs = append(errs, errors.New("a user has neither Secret nor Policies; add policies to the account"))
	}
	if p.ID != "" {
		if !numericForm.MatchString(p.ID) {
			errs = append(errs, fmt.Errorf("ID %q is not a number", p.ID))
		}
		if other := s.byID(p.ID); other != nil && other.name() != p.name() {
			errs = append(errs, fmt.Errorf("ID %q belongs to %q", p.ID, other.name()))
		}
	}
	for _, id := range slices.Concat(p.Groups, p.Assumes) {
		if s.group(id) == nil {
			errs = append(errs, fmt.Errorf("group %q is not there; add it first", id))
		}
	}
	return errors.Join(errs...)
}

// The look-ups below need s.mu. What they return is never changed in place.

func (s *Server) byName(name string) *Principal {
	for _, p := range s.principals {
		if p.name() == name {
			return p
		}
	}
	return nil
}

func (s *Server) byID(id string) *Principal {
	for _, p := range s.principals {
		if p.ID == id {
			return p
		}
	}
	return nil
}

func (s *Server) group(id string) *Group {
	for _, g := range s.groups {
		if g.ID == id {
			return &g
		}
	}
	return nil
}
