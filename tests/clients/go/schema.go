package main

import (
	"fmt"
	"strings"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"
)

var full = &v1.Consistency{Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true}}

// The calls of the schema service, and their deprecated twins.

func writeAndReadSchema(s *session) {
	_, err := s.ReadSchema(s.ctx, &v1.ReadSchemaRequest{})
	expectError("read schema, none yet", codes.NotFound, "", err)
	s.token = must(s.WriteSchema(s.ctx, &v1.WriteSchemaRequest{Schema: s.schema})).WrittenAt
	read := must(s.ReadSchema(s.ctx, &v1.ReadSchemaRequest{}))
	expect("read schema", true, strings.Contains(read.SchemaText, "permission audit = read & edit"))
	expect("read schema, moment", true, read.ReadAt.Token != "")
	_, err = s.WriteSchema(s.ctx, &v1.WriteSchemaRequest{Schema: "definition user {}\ndefinition {"})
	place := expectError("schema that does not parse", codes.InvalidArgument, "SCHEMA_PARSE_ERROR", err)
	expect("schema that does not parse: line", "1", place["start_line_number"])
	_, err = s.WriteSchema(s.ctx, &v1.WriteSchemaRequest{Schema: "definition document {\n\trelation reader: nobody\n}"})
	expectError("schema that does not fit", codes.FailedPrecondition, "SCHEMA_TYPE_ERROR", err)
}

// takenRelation: with relationships in place, their relation cannot go.
func takenRelation(s *session) {
	kept := strings.NewReplacer("\trelation parent: folder\n", "", " + parent->view", "").Replace(s.schema)
	_, err := s.WriteSchema(s.ctx, &v1.WriteSchemaRequest{Schema: kept})
	found := expectError("schema that would orphan a relationship", codes.InvalidArgument, "SCHEMA_TYPE_ERROR", err)
	expect("what would be orphaned", "document parent", found["resource_type"]+" "+found["relation"])
}

type named interface{ GetName() string }

func names[T named](found []T) []string {
	texts := []string{}
	for _, one := range found {
		texts = append(texts, one.GetName())
	}
	return texts
}

func reflectSchema(s *session) {
	whole := must(s.ReflectSchema(s.ctx, &v1.ReflectSchemaRequest{Consistency: full}))
	expect("reflect", []string{"document", "folder", "team", "user"}, names(whole.Definitions))
	expect("reflect, moment", true, whole.ReadAt.Token != "")
	document := whole.Definitions[0]
	expect("reflect, comment", "/** What is read and written. */", document.Comment)
	expect("reflect, relations", []string{"parent", "owner", "reader", "banned"}, names(document.Relations))
	expect("reflect, permissions", []string{"edit", "read", "audit"}, names(document.Permissions))
	kinds := []string{}
	for _, kind := range document.Relations[2].SubjectTypes {
		which := strings.TrimPrefix(fmt.Sprintf("%T", kind.Typeref), "*v1.ReflectionTypeReference_")
		kinds = append(kinds, kind.SubjectDefinitionName+" "+kind.OptionalCaveatName+" "+which)
	}
	expect("reflect, subject types", []string{
		"user  IsTerminalSubject", "user  IsPublicWildcard", "user at_work IsTerminalSubject",
		"user  IsTerminalSubject", "team  OptionalRelationName",
	}, kinds)
	caveat := whole.Caveats[0]
	expect("reflect, caveat", "at_work hour >= 8 && hour < 18", caveat.Name+" "+caveat.Expression)
	expect("reflect, parameter", "hour int", caveat.Parameters[0].Name+" "+caveat.Parameters[0].Type)
	filter := &v1.ReflectionSchemaFilter{OptionalDefinitionNameFilter: "doc", OptionalRelationNameFilter: "par"}
	request := &v1.ReflectSchemaRequest{Consistency: full, OptionalFilters: []*v1.ReflectionSchemaFilter{filter}}
	found := must(s.ReflectSchema(s.ctx, request))
	expect("reflect, filtered", []string{"document"}, names(found.Definitions))
	expect("reflect, filtered relations", []string{"parent"}, names(found.Definitions[0].Relations))
	filter.OptionalCaveatNameFilter = "at_work"
	_, err := s.ReflectSchema(s.ctx, request)
	expectError("reflect, conditions that do not go together", codes.InvalidArgument, "INVALID_FILTER", err)
	older := must(s.ExperimentalReflectSchema(s.ctx, &v1.ExperimentalReflectSchemaRequest{Consistency: full}))
	expect("reflect, deprecated", names(whole.Definitions), names(older.Definitions))
	expect("reflect, deprecated, caveats", []string{"at_work"}, names(older.Caveats))
}

type reference interface {
	GetDefinitionName() string
	GetRelationName() string
	GetIsPermission() bool
}

// references are written `definition#relation`, permissions with a star.
func references[T reference](found []T) []string {
	texts := []string{}
	for _, one := range found {
		text := one.GetDefinitionName() + "#" + one.GetRelationName()
		if one.GetIsPermission() {
			text += "*"
		}
		texts = append(texts, text)
	}
	return texts
}

func dependencies(s *session) {
	expected := []string{"document#audit*", "document#read*", "document#reader", "folder#view*", "folder#viewer"}
	computable := &v1.ComputablePermissionsRequest{Consistency: full, DefinitionName: "team", RelationName: "member"}
	expect("computable permissions", expected, references(must(s.ComputablePermissions(s.ctx, computable)).Permissions))
	older := must(s.ExperimentalComputablePermissions(s.ctx, &v1.ExperimentalComputablePermissionsRequest{
		Consistency: full, DefinitionName: "team", RelationName: "member", OptionalDefinitionNameFilter: "fol",
	}))
	expect("computable permissions, deprecated, filtered", expected[3:], references(older.Permissions))
	computable.RelationName = "captain"
	_, err := s.ComputablePermissions(s.ctx, computable)
	expectError("computable permissions, unknown", codes.FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION", err)
	expected = []string{
		"document#banned", "document#owner", "document#parent", "document#reader", "folder#view*", "folder#viewer", "team#member",
	}
	dependent := &v1.DependentRelationsRequest{Consistency: full, DefinitionName: "document", PermissionName: "read"}
	expect("dependent relations", expected, references(must(s.DependentRelations(s.ctx, dependent)).Relations))
	olderDependent := must(s.ExperimentalDependentRelations(s.ctx, &v1.ExperimentalDependentRelationsRequest{
		Consistency: full, DefinitionName: "document", PermissionName: "read",
	}))
	expect("dependent relations, deprecated", expected, references(olderDependent.Relations))
	dependent.PermissionName = "owner"
	_, err = s.DependentRelations(s.ctx, dependent)
	expectError("dependent relations, of a relation", codes.InvalidArgument, "UNKNOWN_RELATION_OR_PERMISSION", err)
}

// differences compares with a schema in which a permission, a relation and a definition differ.
func differences(s *session) {
	other := strings.NewReplacer(
		"permission edit = owner", "permission edit = owner\n\tpermission print = read",
		"hour < 18", "hour < 17",
		"relation viewer: user | team#member", "relation viewer: user",
	).Replace(s.schema) + "definition club {}\n"
	expected := []string{
		"caveat_expr_changed", "definition_added", "permission_added", "relation_subject_type_removed",
	}
	kinds := []string{}
	request := &v1.DiffSchemaRequest{Consistency: full, ComparisonSchema: other}
	for _, one := range must(s.DiffSchema(s.ctx, request)).Diffs {
		kinds = append(kinds, chosen(one.ProtoReflect()))
	}
	expect("diff", expected, sorted(kinds))
	kinds = []string{}
	older := &v1.ExperimentalDiffSchemaRequest{Consistency: full, ComparisonSchema: other}
	for _, one := range must(s.ExperimentalDiffSchema(s.ctx, older)).Diffs {
		kinds = append(kinds, chosen(one.ProtoReflect()))
	}
	expect("diff, deprecated", expected, sorted(kinds))
	same := must(s.DiffSchema(s.ctx, &v1.DiffSchemaRequest{Consistency: full, ComparisonSchema: s.schema}))
	expect("diff, none", 0, len(same.Diffs))
	_, err := s.DiffSchema(s.ctx, &v1.DiffSchemaRequest{Consistency: full, ComparisonSchema: "definition {"})
	expectError("diff, no schema", codes.InvalidArgument, "SCHEMA_PARSE_ERROR", err)
}

// chosen is the name of the field that stands in the message's only choice.
func chosen(message protoreflect.Message) string {
	return string(message.WhichOneof(message.Descriptor().Oneofs().Get(0)).Name())
}
