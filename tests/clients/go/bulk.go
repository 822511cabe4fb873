package main

import (
	"fmt"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"github.com/authzed/authzed-go/v1"
	"google.golang.org/grpc/codes"
)

// load sends each list in a message of its own.
func (s *session) load(lists ...[]string) (uint64, error) {
	stream := must(s.ImportBulkRelationships(s.ctx))
	for _, texts := range lists {
		// A refusal ends the stream before everything is sent; it is told at the end.
		if stream.Send(&v1.ImportBulkRelationshipsRequest{Relationships: relationships(texts)}) != nil {
			break
		}
	}
	loaded, err := stream.CloseAndRecv()
	return loaded.GetNumLoaded(), err
}

func folders(prefix string, count int) []string {
	texts := []string{}
	for number := range count {
		texts = append(texts, fmt.Sprintf("folder:%s%d#viewer@user:kim", prefix, number))
	}
	return texts
}

func imports(s *session) {
	expect("import, many parts", 300, must(s.load(folders("a", 100), folders("b", 100), folders("c", 100))))
	expect("import, nothing", 0, must(s.load()))
	for _, one := range []struct {
		what   string
		code   codes.Code
		reason string
		text   string
	}{
		{"what is there", codes.AlreadyExists, "ATTEMPT_TO_RECREATE_RELATIONSHIP", "folder:a0#viewer@user:kim"},
		{"unknown relation", codes.FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION", "folder:home#printer@user:kim"},
		{"wrong subject", codes.InvalidArgument, "INVALID_SUBJECT_TYPE", "folder:home#viewer@folder:home"},
		{"malformed", codes.InvalidArgument, "", "folder:a.b#viewer@user:kim"},
	} {
		expectError("import, "+one.what, one.code, one.reason, failure(s.load(folders("lost", 1), []string{one.text})))
	}
	lost := &v1.RelationshipFilter{ResourceType: "folder", OptionalResourceIdPrefix: "lost"}
	expect("import, all or nothing", []string{}, s.texts(lost))
	stream := must(s.BulkImportRelationships(s.ctx))
	must(0, stream.Send(&v1.BulkImportRelationshipsRequest{Relationships: relationships(folders("old", 10))}))
	expect("import, deprecated", 10, must(stream.CloseAndRecv()).NumLoaded)
}

// retriedImports: the client itself goes on by the code of the refusal.
func retriedImports(s *session) {
	texts := append(folders("old", 10), folders("retried", 5)...)
	err := s.RetryableBulkImportRelationships(s.ctx, relationships(texts), authzed.Fail)
	expect("import, duplicates", "duplicate relationships found", fmt.Sprint(err))
	must(0, s.RetryableBulkImportRelationships(s.ctx, relationships(texts), authzed.Skip))
	retried := &v1.RelationshipFilter{ResourceType: "folder", OptionalResourceIdPrefix: "retried"}
	expect("import, duplicates skipped", 0, len(s.texts(retried)))
	must(0, s.RetryableBulkImportRelationships(s.ctx, relationships(texts), authzed.Touch))
	expect("import, duplicates touched", 5, len(s.texts(retried)))
}

func exports(s *session) {
	everything := []string{}
	for _, kind := range []string{"document", "folder", "team"} {
		everything = append(everything, s.texts(&v1.RelationshipFilter{ResourceType: kind})...)
	}
	request := &v1.ExportBulkRelationshipsRequest{Consistency: full}
	whole := []string{}
	for _, message := range must(all(s.ExportBulkRelationships(s.ctx, request))) {
		whole = append(whole, textsOf(message.Relationships)...)
	}
	expect("export", sorted(everything), sorted(whole))
	request.OptionalLimit = 100
	pages := must(all(s.ExportBulkRelationships(s.ctx, request)))
	request.OptionalCursor = pages[0].AfterResultCursor
	rest := textsOf(pages[0].Relationships)
	for _, message := range must(all(s.ExportBulkRelationships(s.ctx, request))) {
		expect("export, size of a page", true, len(message.Relationships) <= 100)
		rest = append(rest, textsOf(message.Relationships)...)
	}
	expect("export, resumed", whole, rest)
	teams := &v1.RelationshipFilter{ResourceType: "team"}
	older := &v1.BulkExportRelationshipsRequest{Consistency: full, OptionalRelationshipFilter: teams}
	found := []string{}
	for _, message := range must(all(s.BulkExportRelationships(s.ctx, older))) {
		found = append(found, textsOf(message.Relationships)...)
	}
	expect("export, deprecated, filtered", sorted(s.texts(teams)), sorted(found))
	request.OptionalCursor = &v1.Cursor{Token: "?"}
	expectError("export, bad cursor", codes.InvalidArgument, "INVALID_CURSOR", failure(all(s.ExportBulkRelationships(s.ctx, request))))
	request.OptionalCursor, request.OptionalLimit = nil, 10001
	expectError("export, large page", codes.InvalidArgument, "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT", failure(all(s.ExportBulkRelationships(s.ctx, request))))
}

func counters(s *session) {
	folders := &v1.RelationshipFilter{ResourceType: "folder"}
	register := &v1.ExperimentalRegisterRelationshipCounterRequest{Name: "folders", RelationshipFilter: folders}
	count := &v1.ExperimentalCountRelationshipsRequest{Name: "folders"}
	unregister := &v1.ExperimentalUnregisterRelationshipCounterRequest{Name: "folders"}
	must(s.ExperimentalRegisterRelationshipCounter(s.ctx, register))
	counted := must(s.ExperimentalCountRelationships(s.ctx, count)).GetReadCounterValue()
	expect("counter", uint64(len(s.texts(folders))), counted.RelationshipCount)
	expect("counter, moment", true, counted.ReadAt.Token != "")
	expectError("counter, registered twice", codes.FailedPrecondition, "COUNTER_ALREADY_REGISTERED", failure(s.ExperimentalRegisterRelationshipCounter(s.ctx, register)))
	must(s.ExperimentalUnregisterRelationshipCounter(s.ctx, unregister))
	expectError("counter, unknown", codes.FailedPrecondition, "COUNTER_NOT_REGISTERED", failure(s.ExperimentalCountRelationships(s.ctx, count)))
	expectError("counter, unregistered twice", codes.FailedPrecondition, "COUNTER_NOT_REGISTERED", failure(s.ExperimentalUnregisterRelationshipCounter(s.ctx, unregister)))
}
