package main

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
)

const (
	create = v1.RelationshipUpdate_OPERATION_CREATE
	touch  = v1.RelationshipUpdate_OPERATION_TOUCH
	remove = v1.RelationshipUpdate_OPERATION_DELETE
)

func updates(operation v1.RelationshipUpdate_Operation, texts ...string) []*v1.RelationshipUpdate {
	found := []*v1.RelationshipUpdate{}
	for _, text := range texts {
		found = append(found, &v1.RelationshipUpdate{Operation: operation, Relationship: relationship(text)})
	}
	return found
}

func (s *session) try(request *v1.WriteRelationshipsRequest) error {
	written, err := s.WriteRelationships(s.ctx, request)
	if err == nil {
		s.token = written.WrittenAt
	}
	return err
}

func (s *session) write(operation v1.RelationshipUpdate_Operation, texts ...string) *v1.ZedToken {
	must(0, s.try(&v1.WriteRelationshipsRequest{Updates: updates(operation, texts...)}))
	return s.token
}

// fresh sees at least what this application wrote last.
func (s *session) fresh() *v1.Consistency {
	return &v1.Consistency{Requirement: &v1.Consistency_AtLeastAsFresh{AtLeastAsFresh: s.token}}
}

func precondition(operation v1.Precondition_Operation, filter *v1.RelationshipFilter) []*v1.Precondition {
	return []*v1.Precondition{{Operation: operation, Filter: filter}}
}

func write(s *session) {
	must(0, s.try(&v1.WriteRelationshipsRequest{
		Updates: updates(create, s.relationships...),
		OptionalPreconditions: precondition(
			v1.Precondition_OPERATION_MUST_NOT_MATCH, &v1.RelationshipFilter{ResourceType: "document"}),
		OptionalTransactionMetadata: values2struct(map[string]any{"reason": "tour"}),
	}))
	expect("write, moment", true, s.token.Token != "")
	s.write(remove, "document:plan#reader@user:zoe")
	s.write(touch)
	err := s.try(&v1.WriteRelationshipsRequest{
		OptionalPreconditions: precondition(
			v1.Precondition_OPERATION_MUST_MATCH, &v1.RelationshipFilter{ResourceType: "folder", OptionalResourceId: "attic"}),
	})
	found := expectError("write, condition not met", codes.FailedPrecondition, "WRITE_OR_DELETE_PRECONDITION_FAILURE", err)
	expect("write, condition not met: which", "attic", found["precondition_resource_id"])
}

func refusedWrites(s *session) {
	many := []string{}
	for number := range 1001 {
		many = append(many, fmt.Sprintf("document:plan#owner@user:u%d", number))
	}
	for _, one := range []struct {
		what      string
		operation v1.RelationshipUpdate_Operation
		code      codes.Code
		reason    string
		texts     []string
	}{
		{"what is there", create, codes.AlreadyExists, "ATTEMPT_TO_RECREATE_RELATIONSHIP", s.relationships[1:2]},
		{"twice the same", touch, codes.InvalidArgument, "UPDATES_ON_SAME_RELATIONSHIP", []string{many[0], many[0]}},
		{"on a permission", touch, codes.InvalidArgument, "CANNOT_UPDATE_PERMISSION", []string{"document:plan#edit@user:ann"}},
		{"subject that may not", touch, codes.InvalidArgument, "INVALID_SUBJECT_TYPE", []string{"document:plan#owner@team:red"}},
		{"unknown definition", touch, codes.FailedPrecondition, "UNKNOWN_DEFINITION", []string{"letter:plan#owner@user:ann"}},
		{"unknown relation", touch, codes.FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION", []string{"document:plan#printer@user:ann"}},
		{"malformed id", touch, codes.InvalidArgument, "", []string{"document:a.b#owner@user:ann"}},
		{"too many", touch, codes.InvalidArgument, "TOO_MANY_UPDATES_IN_REQUEST", many},
	} {
		err := s.try(&v1.WriteRelationshipsRequest{Updates: updates(one.operation, one.texts...)})
		expectError("write, "+one.what, one.code, one.reason, err)
	}
	err := s.try(&v1.WriteRelationshipsRequest{
		OptionalTransactionMetadata: values2struct(map[string]any{"text": strings.Repeat("x", 66000)}),
	})
	expectError("write, too much metadata", codes.InvalidArgument, "TRANSACTION_METADATA_TOO_LARGE", err)
}

func (s *session) read(limit uint32, cursor *v1.Cursor, filter *v1.RelationshipFilter) ([]*v1.ReadRelationshipsResponse, error) {
	return all(s.ReadRelationships(s.ctx, &v1.ReadRelationshipsRequest{
		Consistency: full, RelationshipFilter: filter, OptionalLimit: limit, OptionalCursor: cursor,
	}))
}

func (s *session) texts(filter *v1.RelationshipFilter) []string {
	texts := []string{}
	for _, found := range must(s.read(0, nil, filter)) {
		texts = append(texts, textOf(found.Relationship))
	}
	return texts
}

func read(s *session) {
	plan := []string{}
	for _, text := range s.relationships {
		if strings.HasPrefix(text, "document:plan") {
			plan = append(plan, textOf(relationship(text)))
		}
	}
	byId := &v1.RelationshipFilter{ResourceType: "document", OptionalResourceId: "plan"}
	expect("read, one resource", sorted(plan), sorted(s.texts(byId)))
	byPrefix := &v1.RelationshipFilter{ResourceType: "document", OptionalResourceIdPrefix: "pl"}
	expect("read, id prefix", sorted(plan), sorted(s.texts(byPrefix)))
	byUserset := &v1.RelationshipFilter{OptionalSubjectFilter: &v1.SubjectFilter{
		SubjectType: "team", OptionalSubjectId: "red", OptionalRelation: &v1.SubjectFilter_RelationFilter{Relation: "member"},
	}}
	expected := []string{"document:plan#reader@team:red#member", "folder:home#viewer@team:red#member"}
	expect("read, by userset, any type", expected, sorted(s.texts(byUserset)))
	byUserset.OptionalSubjectFilter.OptionalRelation.Relation = ""
	expect("read, by direct subject", []string{}, s.texts(byUserset))
	expired := &v1.RelationshipFilter{OptionalSubjectFilter: &v1.SubjectFilter{SubjectType: "user", OptionalSubjectId: "hal"}}
	expect("read, expired", []string{}, s.texts(expired))
	expired.OptionalSubjectFilter.OptionalSubjectId = "ida"
	found := must(s.read(0, nil, expired))[0]
	caveat := found.Relationship.OptionalCaveat
	expect("read, condition", "at_work 9", fmt.Sprint(caveat.CaveatName, " ", caveat.Context.AsMap()["hour"]))
	expect("read, moment", true, found.ReadAt.Token != "")
}

// readPages reads page by page, at one revision, while somebody else writes.
func readPages(s *session) {
	documents := &v1.RelationshipFilter{ResourceType: "document"}
	everything, found, sizes := s.texts(documents), []string{}, []int{}
	var cursor *v1.Cursor
	for {
		page := must(s.read(4, cursor, documents))
		if len(page) == 0 {
			break
		}
		for _, one := range page {
			found = append(found, textOf(one.Relationship))
		}
		sizes = append(sizes, len(page))
		cursor = page[len(page)-1].AfterResultCursor
		s.write(touch, fmt.Sprintf("document:zz%d#owner@user:ann", len(sizes)))
	}
	expect("read, pages", everything, found)
	expect("read, sizes of pages", []int{4, 4, 2}, sizes)
	s.write(remove, "document:zz1#owner@user:ann", "document:zz2#owner@user:ann", "document:zz3#owner@user:ann")
}

func refusedReads(s *session) {
	document := &v1.RelationshipFilter{ResourceType: "document"}
	both := &v1.RelationshipFilter{ResourceType: "document", OptionalResourceId: "a", OptionalResourceIdPrefix: "a"}
	expectError("read, no condition", codes.InvalidArgument, "INVALID_FILTER", failure(s.read(0, nil, &v1.RelationshipFilter{})))
	expectError("read, id and prefix", codes.InvalidArgument, "INVALID_FILTER", failure(s.read(0, nil, both)))
	expectError("read, large page", codes.InvalidArgument, "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT", failure(s.read(1001, nil, document)))
	expectError("read, bad cursor", codes.InvalidArgument, "INVALID_CURSOR", failure(s.read(1, &v1.Cursor{Token: "?"}, document)))
	cursor := must(s.read(1, nil, document))[0].AfterResultCursor
	folder := &v1.RelationshipFilter{ResourceType: "folder"}
	expectError("read, cursor of another read", codes.InvalidArgument, "INVALID_CURSOR", failure(s.read(1, cursor, folder)))
	letter := &v1.RelationshipFilter{ResourceType: "letter"}
	expectError("read, unknown definition", codes.FailedPrecondition, "UNKNOWN_DEFINITION", failure(s.read(0, nil, letter)))
}

func deletions(s *session) {
	for number := range 5 {
		s.write(touch, fmt.Sprintf("folder:f%d#viewer@user:zoe", number), fmt.Sprintf("folder:g%d#viewer@user:zoe", number))
	}
	folders := &v1.RelationshipFilter{ResourceType: "folder", OptionalResourceIdPrefix: "f"}
	request := &v1.DeleteRelationshipsRequest{RelationshipFilter: folders, OptionalLimit: 2}
	found := expectError("delete, more than the limit", codes.InvalidArgument,
		"TOO_MANY_RELATIONSHIPS_FOR_TRANSACTIONAL_DELETE", failure(s.DeleteRelationships(s.ctx, request)))
	expect("delete, more than the limit: which", "2", found["limit"])
	request.OptionalAllowPartialDeletions = true
	told := []string{}
	for !slices.Contains(told, "COMPLETE 1") && len(told) < 9 {
		deleted := must(s.DeleteRelationships(s.ctx, request))
		progress := strings.TrimPrefix(deleted.DeletionProgress.String(), "DELETION_PROGRESS_")
		told = append(told, fmt.Sprint(progress, " ", deleted.RelationshipsDeletedCount))
	}
	expect("delete, in parts", []string{"PARTIAL 2", "PARTIAL 2", "COMPLETE 1"}, told)
	request = &v1.DeleteRelationshipsRequest{
		RelationshipFilter: &v1.RelationshipFilter{
			OptionalSubjectFilter: &v1.SubjectFilter{SubjectType: "user", OptionalSubjectId: "zoe"},
		},
		OptionalPreconditions: precondition(
			v1.Precondition_OPERATION_MUST_NOT_MATCH, &v1.RelationshipFilter{ResourceType: "document"}),
	}
	expectError("delete, condition not met", codes.FailedPrecondition,
		"WRITE_OR_DELETE_PRECONDITION_FAILURE", failure(s.DeleteRelationships(s.ctx, request)))
	request.OptionalPreconditions = nil
	deleted := must(s.DeleteRelationships(s.ctx, request))
	expect("delete, by subject", uint64(5), deleted.RelationshipsDeletedCount)
	s.token = deleted.DeletedAt
	nothing := &v1.DeleteRelationshipsRequest{RelationshipFilter: &v1.RelationshipFilter{}}
	expectError("delete, no condition", codes.InvalidArgument, "INVALID_FILTER", failure(s.DeleteRelationships(s.ctx, nothing)))
}

// resumedDeletion follows the cursor that each partial answer has.
func resumedDeletion(s *session) {
	for number := range 5 {
		s.write(touch, fmt.Sprintf("folder:f%d#viewer@user:zoe", number))
	}
	request := &v1.DeleteRelationshipsRequest{
		RelationshipFilter:            &v1.RelationshipFilter{ResourceType: "folder", OptionalResourceIdPrefix: "f"},
		OptionalLimit:                 2,
		OptionalAllowPartialDeletions: true,
	}
	told := []string{}
	for request.OptionalCursor != nil || len(told) == 0 {
		deleted := must(s.DeleteRelationships(s.ctx, request))
		// What lies before the cursor is not looked at again.
		s.write(touch, "folder:f0#viewer@user:zoe")
		told = append(told, fmt.Sprint(deleted.DeletionProgress, " ", deleted.RelationshipsDeletedCount))
		request.OptionalCursor = deleted.AfterResultCursor
	}
	expect("resumed deletion", []string{
		"DELETION_PROGRESS_PARTIAL 2", "DELETION_PROGRESS_PARTIAL 2", "DELETION_PROGRESS_COMPLETE 1",
	}, told)
	request.OptionalCursor, request.OptionalLimit = &v1.Cursor{Token: "?"}, 0
	expectError("resumed deletion, no limit", codes.InvalidArgument, "", failure(s.DeleteRelationships(s.ctx, request)))
}
