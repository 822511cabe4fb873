package main

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
)

func resourcesRequest(permission, who string) *v1.LookupResourcesRequest {
	return &v1.LookupResourcesRequest{
		Consistency: full, ResourceObjectType: "document", Permission: permission, Subject: subject(who),
	}
}

// ids are in order, conditional ones with a question mark. A server may name a resource twice.
func (s *session) resourceIds(request *v1.LookupResourcesRequest) []string {
	found := []string{}
	for _, one := range must(all(s.LookupResources(s.ctx, request))) {
		found = append(found, one.ResourceObjectId+mark(one.Permissionship))
	}
	return slices.Compact(sorted(found))
}

func mark(permissionship v1.LookupPermissionship) string {
	if permissionship == v1.LookupPermissionship_LOOKUP_PERMISSIONSHIP_CONDITIONAL_PERMISSION {
		return "?"
	}
	return ""
}

func lookupResources(s *session) {
	for _, one := range []struct {
		what, permission, who string
		values                map[string]any
		expected              []string
	}{
		{"by wildcard, relation and owner", "read", "user:ann", nil, []string{"memo", "note", "plan"}},
		{"by team", "read", "user:dan", nil, []string{"memo", "plan"}},
		{"of a team", "read", "team:blue#member", nil, []string{"plan"}},
		{"conditional", "read", "user:cem", nil, []string{"memo", "plan?"}},
		{"context", "read", "user:cem", map[string]any{"hour": 9}, []string{"memo", "plan"}},
		{"false condition", "read", "user:cem", map[string]any{"hour": 20}, []string{"memo"}},
		{"banned", "read", "user:eve", nil, []string{}},
		{"banned on condition", "read", "user:fay", nil, []string{"memo?"}},
		{"intersection", "audit", "user:ann", nil, []string{"note", "plan"}},
	} {
		request := resourcesRequest(one.permission, one.who)
		request.Context = values2struct(one.values)
		expect("lookup resources, "+one.what, one.expected, s.resourceIds(request))
	}
}

// pagesOfResources asks for pages of one revision, while others write.
func pagesOfResources(s *session) {
	many, expected, found, sizes := []string{}, []string{}, []string{}, []int{}
	for number := range 25 {
		expected = append(expected, fmt.Sprintf("page%02d", number))
		many = append(many, "document:"+expected[number]+"#owner@user:kim")
	}
	s.write(touch, many...)
	request := resourcesRequest("edit", "user:kim")
	request.OptionalLimit = 10
	for {
		page := must(all(s.LookupResources(s.ctx, request)))
		if len(page) == 0 {
			break
		}
		for _, one := range page {
			found = append(found, one.ResourceObjectId)
		}
		sizes = append(sizes, len(page))
		request.OptionalCursor = page[len(page)-1].AfterResultCursor
		s.write(touch, fmt.Sprintf("document:later%d#owner@user:kim", len(sizes)))
		s.write(remove, many[24])
	}
	expect("lookup resources, pages", expected, sorted(found))
	expect("lookup resources, sizes of pages", []int{10, 10, 5}, sizes)
	request.Subject = subject("user:ann")
	_, err := all(s.LookupResources(s.ctx, request))
	expectError("lookup resources, cursor of another call", codes.InvalidArgument, "INVALID_CURSOR", err)
	s.token = must(s.DeleteRelationships(s.ctx, &v1.DeleteRelationshipsRequest{RelationshipFilter: &v1.RelationshipFilter{
		OptionalSubjectFilter: &v1.SubjectFilter{SubjectType: "user", OptionalSubjectId: "kim"},
	}})).DeletedAt
}

func refusedResources(s *session) {
	for _, one := range []struct {
		what   string
		code   codes.Code
		reason string
		change func(*v1.LookupResourcesRequest)
	}{
		{"unknown definition", codes.FailedPrecondition, "UNKNOWN_DEFINITION", func(r *v1.LookupResourcesRequest) { r.ResourceObjectType = "letter" }},
		{"unknown permission", codes.FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION", func(r *v1.LookupResourcesRequest) { r.Permission = "print" }},
		{"everybody", codes.InvalidArgument, "WILDCARD_NOT_ALLOWED", func(r *v1.LookupResourcesRequest) { r.Subject = subject("user:*") }},
		{"large page", codes.InvalidArgument, "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT", func(r *v1.LookupResourcesRequest) { r.OptionalLimit = 1001 }},
		{"bad cursor", codes.InvalidArgument, "INVALID_CURSOR", func(r *v1.LookupResourcesRequest) { r.OptionalCursor = &v1.Cursor{Token: "?"} }},
	} {
		request := resourcesRequest("read", "user:ann")
		one.change(request)
		_, err := all(s.LookupResources(s.ctx, request))
		expectError("lookup resources, "+one.what, one.code, one.reason, err)
	}
}

func subjectsRequest(resource, permission string) *v1.LookupSubjectsRequest {
	return &v1.LookupSubjectsRequest{
		Consistency: full, Resource: object(resource), Permission: permission, SubjectObjectType: "user",
	}
}

// subjectIds are in order, conditional ones with a question mark, everybody with the exclusions.
func (s *session) subjectIds(request *v1.LookupSubjectsRequest) []string {
	found := []string{}
	for _, one := range must(all(s.LookupSubjects(s.ctx, request))) {
		text, excluded := one.Subject.SubjectObjectId+mark(one.Subject.Permissionship), []string{}
		for _, exclusion := range one.ExcludedSubjects {
			excluded = append(excluded, exclusion.SubjectObjectId+mark(exclusion.Permissionship))
		}
		if len(excluded) > 0 {
			text += " but " + strings.Join(sorted(excluded), " ")
		}
		found = append(found, text)
	}
	return slices.Compact(sorted(found))
}

func lookupSubjects(s *session) {
	request := subjectsRequest("document:plan", "read")
	expect("lookup subjects", []string{"ann", "ben", "cem?", "dan"}, s.subjectIds(request))
	request.Context = values2struct(map[string]any{"hour": 9})
	expect("lookup subjects, context", []string{"ann", "ben", "cem", "dan"}, s.subjectIds(request))
	request.Context = values2struct(map[string]any{"hour": 20})
	expect("lookup subjects, false condition", []string{"ann", "ben", "dan"}, s.subjectIds(request))
	request = subjectsRequest("document:memo", "read")
	expect("lookup subjects, everybody", []string{"* but eve fay?", "gil"}, s.subjectIds(request))
	request.Context = values2struct(map[string]any{"hour": 20})
	expect("lookup subjects, exclusion that is lifted", []string{"* but eve", "gil"}, s.subjectIds(request))
	request = subjectsRequest("document:plan", "read")
	request.SubjectObjectType, request.OptionalSubjectRelation = "team", "member"
	expect("lookup subjects, by relation", []string{"blue", "red"}, s.subjectIds(request))
	expect("lookup subjects, intersection", []string{"ann"}, s.subjectIds(subjectsRequest("document:plan", "audit")))
}

func refusedSubjects(s *session) {
	request := subjectsRequest("document:plan", "print")
	_, err := all(s.LookupSubjects(s.ctx, request))
	expectError("lookup subjects, unknown permission", codes.FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION", err)
	request = subjectsRequest("document:plan", "read")
	request.SubjectObjectType = "robot"
	_, err = all(s.LookupSubjects(s.ctx, request))
	expectError("lookup subjects, unknown subject", codes.FailedPrecondition, "UNKNOWN_DEFINITION", err)
}

// pagesOfSubjects uses limits, cursors and the option to leave out everybody, which SpiceDB does not have.
func pagesOfSubjects(s *session) {
	request := subjectsRequest("document:plan", "read")
	request.OptionalConcreteLimit = 3
	found, sizes := []string{}, []int{}
	for {
		page := must(all(s.LookupSubjects(s.ctx, request)))
		if len(page) == 0 {
			break
		}
		for _, one := range page {
			found = append(found, one.Subject.SubjectObjectId)
		}
		sizes = append(sizes, len(page))
		request.OptionalCursor = page[len(page)-1].AfterResultCursor
		s.write(touch, fmt.Sprintf("document:plan#reader@user:aaa%d", len(sizes)))
	}
	expect("lookup subjects, pages", []string{"ann", "ben", "cem", "dan"}, sorted(found))
	expect("lookup subjects, sizes of pages", []int{3, 1}, sizes)
	request = subjectsRequest("document:memo", "read")
	request.WildcardOption = v1.LookupSubjectsRequest_WILDCARD_OPTION_EXCLUDE_WILDCARDS
	expect("lookup subjects, without everybody", []string{"gil"}, s.subjectIds(request))
}
