package main

import (
	"strings"

	"github.com/authzed/authzed-go/pkg/requestmeta"
	"github.com/authzed/authzed-go/pkg/responsemeta"
	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

const (
	yes     = v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION
	no      = v1.CheckPermissionResponse_PERMISSIONSHIP_NO_PERMISSION
	depends = v1.CheckPermissionResponse_PERMISSIONSHIP_CONDITIONAL_PERMISSION
	none    = v1.CheckPermissionResponse_PERMISSIONSHIP_UNSPECIFIED
)

func (s *session) request(text string, values map[string]any) *v1.CheckPermissionRequest {
	resource, permission, subject := question(text)
	return &v1.CheckPermissionRequest{
		Consistency: s.fresh(), Resource: resource, Permission: permission, Subject: subject, Context: values2struct(values),
	}
}

func (s *session) check(text string, values map[string]any) (*v1.CheckPermissionResponse, error) {
	return s.CheckPermission(s.ctx, s.request(text, values))
}

func answers(s *session) {
	for _, one := range []struct {
		text     string
		values   map[string]any
		expected v1.CheckPermissionResponse_Permissionship
	}{
		{"document:plan#read@user:ann", nil, yes},
		{"document:plan#read@user:dan", nil, yes},
		{"document:plan#edit@user:ben", nil, no},
		{"document:plan#read@team:blue#member", nil, yes},
		{"document:plan#read@user:cem", nil, depends},
		{"document:plan#read@user:cem", map[string]any{"hour": 9}, yes},
		{"document:plan#read@user:cem", map[string]any{"hour": 20}, no},
		{"document:memo#read@user:zoe", nil, yes},
		{"document:memo#read@user:eve", nil, no},
		{"document:memo#read@user:fay", nil, depends},
		{"document:note#read@user:hal", nil, no},
		{"document:note#read@user:ida", nil, yes},
		{"document:note#audit@user:ann", nil, yes},
	} {
		expect("check "+one.text, one.expected, must(s.check(one.text, one.values)).Permissionship)
	}
	found := must(s.check("document:plan#read@user:cem", nil))
	expect("check, missing context", "hour", found.PartialCaveatInfo.MissingRequiredContext[0])
	expect("check, moment", true, found.CheckedAt.Token != "")
}

func refusedChecks(s *session) {
	for _, one := range []struct {
		what, text string
		values     map[string]any
		code       codes.Code
		reason     string
	}{
		{"unknown definition", "letter:a#read@user:ann", nil, codes.FailedPrecondition, "UNKNOWN_DEFINITION"},
		{"unknown permission", "document:a#print@user:ann", nil, codes.FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION"},
		{"everybody", "document:plan#read@user:*", nil, codes.InvalidArgument, "WILDCARD_NOT_ALLOWED"},
		{"every resource", "document:*#read@user:ann", nil, codes.InvalidArgument, ""},
		{"context of another type", "document:plan#read@user:cem", map[string]any{"hour": "late"}, codes.InvalidArgument, "CAVEAT_PARAMETER_TYPE_ERROR"},
		{"large context", "document:plan#read@user:cem", map[string]any{"more": strings.Repeat("x", 5000)}, codes.InvalidArgument, ""},
	} {
		expectError("check, "+one.what, one.code, one.reason, failure(s.check(one.text, one.values)))
	}
}

func consistencies(s *session) {
	before := s.write(remove, "document:memo#owner@user:ann")
	after := s.write(touch, "document:memo#owner@user:ann")
	request := s.request("document:memo#edit@user:ann", nil)
	for _, one := range []struct {
		what        string
		consistency *v1.Consistency
		expected    v1.CheckPermissionResponse_Permissionship
	}{
		{"fully consistent", full, yes},
		{"at least as fresh", s.fresh(), yes},
		{"at exact snapshot, then", &v1.Consistency{Requirement: &v1.Consistency_AtExactSnapshot{AtExactSnapshot: before}}, no},
		{"at exact snapshot, now", &v1.Consistency{Requirement: &v1.Consistency_AtExactSnapshot{AtExactSnapshot: after}}, yes},
	} {
		request.Consistency = one.consistency
		expect("check, "+one.what, one.expected, must(s.CheckPermission(s.ctx, request)).Permissionship)
	}
	request = s.request("document:plan#read@user:ann", nil)
	request.Consistency = &v1.Consistency{Requirement: &v1.Consistency_MinimizeLatency{MinimizeLatency: true}}
	expect("check, minimal latency", yes, must(s.CheckPermission(s.ctx, request)).Permissionship)
	request.Consistency = nil
	expect("check, no consistency", yes, must(s.CheckPermission(s.ctx, request)).Permissionship)
	request.Consistency = &v1.Consistency{Requirement: &v1.Consistency_AtLeastAsFresh{AtLeastAsFresh: &v1.ZedToken{Token: "?"}}}
	expectError("check, bad token", codes.InvalidArgument, "", failure(s.CheckPermission(s.ctx, request)))
	s.write(remove, "document:memo#owner@user:ann")
}

func traces(s *session) {
	request := s.request("document:plan#read@user:cem", map[string]any{"hour": 9})
	// At a new revision no answer is known yet, which would end the trace.
	s.write(touch)
	request.Consistency = full
	older := must(s.CheckPermission(requestmeta.AddRequestHeaders(s.ctx, requestmeta.RequestDebugInformation), request))
	expectTrace("check, trace by metadata", older.DebugTrace)
	expect("check, no trace", true, must(s.CheckPermission(s.ctx, request)).DebugTrace == nil)
	s.write(touch)
	request.WithTracing = true
	expectTrace("check, trace", must(s.CheckPermission(s.ctx, request)).DebugTrace)
}

func expectTrace(what string, debug *v1.DebugInformation) {
	expect(what+", schema", true, strings.Contains(debug.SchemaUsed, "definition document"))
	place := nameOf(debug.Check.Resource) + "#" + debug.Check.Permission + "@" + subjectText(debug.Check.Subject)
	expect(what, "document:plan#read@user:cem", place)
	expect(what+", kind", v1.CheckDebugTrace_PERMISSION_TYPE_PERMISSION, debug.Check.PermissionType)
	expect(what+", duration", true, debug.Check.Duration.AsDuration() > 0)
	reader := step(debug.Check, "reader")
	expect(what+", relation", v1.CheckDebugTrace_PERMISSION_TYPE_RELATION, reader.PermissionType)
	caveat := reader.CaveatEvaluationInfo
	expect(what+", condition", "at_work hour >= 8 && hour < 18", caveat.CaveatName+" "+caveat.Expression)
	expect(what+", its result", v1.CaveatEvalInfo_RESULT_TRUE, caveat.Result)
}

// step is the first step of a trace that looks into a relation.
func step(trace *v1.CheckDebugTrace, relation string) *v1.CheckDebugTrace {
	if trace.Permission == relation {
		return trace
	}
	for _, below := range trace.GetSubProblems().GetTraces() {
		if found := step(below, relation); found != nil {
			return found
		}
	}
	return nil
}

func trailers(s *session) {
	ctx := requestmeta.AddRequestHeaders(s.ctx, requestmeta.RequestServerVersion)
	ctx = metadata.AppendToOutgoingContext(ctx, "x-request-id", "tour")
	var header, trailer metadata.MD
	must(s.CheckPermission(ctx, s.request("document:plan#read@user:ann", nil), grpc.Header(&header), grpc.Trailer(&trailer)))
	version := append(header.Get(string(responsemeta.ServerVersion)), trailer.Get(string(responsemeta.ServerVersion))...)
	expect("trailers, version", 1, len(version))
	expect("trailers, id of the request", "tour", must(responsemeta.GetResponseTrailerMetadata(trailer, responsemeta.RequestID)))
	expect("trailers, dispatched", true, must(responsemeta.GetIntResponseTrailerMetadata(trailer, responsemeta.DispatchedOperationsCount)) >= 0)
	expect("trailers, cached", true, must(responsemeta.GetIntResponseTrailerMetadata(trailer, responsemeta.CachedOperationsCount)) >= 0)
}

func bulkChecks(s *session) {
	request := &v1.CheckBulkPermissionsRequest{Consistency: full, WithTracing: true}
	older := &v1.BulkCheckPermissionRequest{Consistency: full}
	for _, text := range []string{
		"document:plan#read@user:ann", "document:plan#edit@user:ben", "document:plan#read@user:cem", "document:plan#print@user:ann",
	} {
		resource, permission, subject := question(text)
		request.Items = append(request.Items, &v1.CheckBulkPermissionsRequestItem{Resource: resource, Permission: permission, Subject: subject})
		older.Items = append(older.Items, &v1.BulkCheckPermissionRequestItem{Resource: resource, Permission: permission, Subject: subject})
	}
	expected := []v1.CheckPermissionResponse_Permissionship{yes, no, depends, none}
	found, answer := []v1.CheckPermissionResponse_Permissionship{}, must(s.CheckBulkPermissions(s.ctx, request))
	for _, pair := range answer.Pairs {
		found = append(found, pair.GetItem().GetPermissionship())
	}
	expect("bulk check", expected, found)
	expect("bulk check, error of an item", int32(codes.FailedPrecondition), answer.Pairs[3].GetError().GetCode())
	expect("bulk check, missing context", "hour", answer.Pairs[2].GetItem().PartialCaveatInfo.MissingRequiredContext[0])
	expect("bulk check, trace", "read", answer.Pairs[0].GetItem().DebugTrace.Check.Permission)
	expect("bulk check, echo", "edit", answer.Pairs[1].Request.Permission)
	olderFound, olderAnswer := []v1.CheckPermissionResponse_Permissionship{}, must(s.BulkCheckPermission(s.ctx, older))
	for _, pair := range olderAnswer.Pairs {
		olderFound = append(olderFound, pair.GetItem().GetPermissionship())
	}
	expect("bulk check, deprecated", expected, olderFound)
	expect("bulk check, deprecated, error of an item", int32(codes.FailedPrecondition), olderAnswer.Pairs[3].GetError().GetCode())
}

func (s *session) tree(resource, permission string) (*v1.ExpandPermissionTreeResponse, error) {
	return s.ExpandPermissionTree(s.ctx, &v1.ExpandPermissionTreeRequest{
		Consistency: full, Resource: object(resource), Permission: permission,
	})
}

func expand(s *session) {
	expected := "exclusion document:plan#read(" +
		"union document:plan#read(" +
		"leaf document:plan#owner(user:ann) " +
		"leaf document:plan#reader(team:red#member user:cem) " +
		"union document:plan#read(union folder:home#view(leaf folder:home#viewer(team:red#member)))) " +
		"leaf document:plan#banned())"
	expect("expand, permission", expected, shape(must(s.tree("document:plan", "read")).TreeRoot))
	expect("expand, relation", "leaf document:memo#reader(user:* user:gil)", shape(must(s.tree("document:memo", "reader")).TreeRoot))
	_, err := s.tree("document:plan", "print")
	expectError("expand, unknown permission", codes.FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION", err)
	_, err = s.tree("letter:plan", "read")
	expectError("expand, unknown definition", codes.FailedPrecondition, "UNKNOWN_DEFINITION", err)
}

// shape is a node's kind and place with what is below it; the children of a union stand in order.
func shape(node *v1.PermissionRelationshipTree) string {
	place, below := nameOf(node.ExpandedObject)+"#"+node.ExpandedRelation, []string{}
	if leaf := node.GetLeaf(); leaf != nil {
		for _, found := range leaf.Subjects {
			below = append(below, subjectText(found))
		}
		return "leaf " + place + "(" + strings.Join(sorted(below), " ") + ")"
	}
	for _, child := range node.GetIntermediate().Children {
		below = append(below, shape(child))
	}
	kind := strings.ToLower(strings.TrimPrefix(node.GetIntermediate().Operation.String(), "OPERATION_"))
	if kind == "union" {
		below = sorted(below)
	}
	return kind + " " + place + "(" + strings.Join(below, " ") + ")"
}
