package main

import (
	"context"
	"os"
	"path/filepath"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"github.com/authzed/authzed-go/v1"
	"github.com/authzed/grpcutil"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	alphaOwner = "document:alpha/plan#owner@user:alpha/ann"
	bravoOwner = "document:bravo/plan#owner@user:bravo/ben"
	alphaMemo  = "document:alpha/memo#reader@user:alpha/ann"
)

// party is a caller over TLS.
type party struct {
	*authzed.Client
	ctx context.Context
}

// playRoles plays an application and a tenant of it over TLS: roles FOLDER ENDPOINT CA OTHER_CA FULL_KEY TENANT_KEY.
//
// The store has to be empty. The tenant's key is limited to ids that begin with `alpha/`, and to the methods of the groups
// `check`, `lookup`, `read` and `write`.
func playRoles(arguments []string) {
	if len(arguments) != 6 {
		fail("usage: roles FOLDER ENDPOINT CA OTHER_CA FULL_KEY TENANT_KEY")
	}
	folder, endpoint, trusted, other := arguments[0], arguments[1], arguments[2], arguments[3]
	owner := newParty(endpoint, trusted, arguments[4])
	tenant := newParty(endpoint, trusted, arguments[5])
	owner.prepare(string(must(os.ReadFile(filepath.Join(folder, "schema.zed")))))
	tenant.useOwnPart()
	tenant.leaveOwnPart()

	stranger := newParty(endpoint, other, arguments[4])
	_, err := stranger.ReadSchema(stranger.ctx, &v1.ReadSchemaRequest{})
	expect("untrusted authority: code", codes.Unavailable, status.Code(err))
	for _, one := range []*party{owner, tenant, stranger} {
		must(0, one.Close())
	}
}

func newParty(endpoint, authority, key string) *party {
	trust := must(grpcutil.WithCustomCerts(grpcutil.VerifyCA, authority))
	client := must(authzed.NewClient(endpoint, trust, grpcutil.WithBearerToken(key)))
	return &party{client, context.Background()}
}

func (p *party) prepare(schema string) {
	must(p.WriteSchema(p.ctx, &v1.WriteSchemaRequest{Schema: schema}))
	must(0, p.write(v1.RelationshipUpdate_OPERATION_TOUCH, alphaOwner, bravoOwner))
	expect("full key, check", yes, must(p.check("document:bravo/plan#read@user:bravo/ben")))
	expect("full key, read", []string{alphaOwner, bravoOwner}, must(p.read("")))
}

func (p *party) useOwnPart() {
	expect("check", yes, must(p.check("document:alpha/plan#read@user:alpha/ann")))
	must(0, p.write(v1.RelationshipUpdate_OPERATION_TOUCH, alphaMemo))
	expect("written", yes, must(p.check("document:alpha/memo#read@user:alpha/ann")))
	expect("read", []string{alphaMemo, alphaOwner}, must(p.read("")))
	expect("lookup of resources", []string{"alpha/memo", "alpha/plan"}, must(p.resources("user:alpha/ann")))
	expect("lookup of subjects", []string{"alpha/ann"}, must(p.subjects("document:alpha/plan")))
	must(0, p.write(v1.RelationshipUpdate_OPERATION_DELETE, alphaMemo))
	expect("deleted", no, must(p.check("document:alpha/memo#read@user:alpha/ann")))
}

func (p *party) leaveOwnPart() {
	const outside = "document:bravo/plan#read@user:bravo/ben"
	expectDenied("check", "object_id", failure(p.check(outside)))
	expectDenied("write", "object_id", p.write(v1.RelationshipUpdate_OPERATION_TOUCH, bravoOwner))
	expectDenied("read", "object_id", failure(p.read("bravo/plan")))
	expectDenied("lookup", "object_id", failure(p.resources("user:bravo/ben")))
	expectDenied("subjects", "object_id", failure(p.subjects("document:bravo/plan")))
	expectDenied("schema", "method", failure(p.ReadSchema(p.ctx, &v1.ReadSchemaRequest{})))

	items := []*v1.CheckBulkPermissionsRequestItem{}
	for _, text := range []string{outside, alphaOwner} {
		resource, permission, who := question(text)
		items = append(items, &v1.CheckBulkPermissionsRequestItem{
			Resource: resource, Permission: permission, Subject: who,
		})
	}
	request := &v1.CheckBulkPermissionsRequest{Consistency: full, Items: items}
	pairs := must(p.CheckBulkPermissions(p.ctx, request)).Pairs
	expect("bulk check, item outside", int32(codes.PermissionDenied), pairs[0].GetError().GetCode())
	expect("bulk check, item inside", yes, pairs[1].GetItem().GetPermissionship())
}

func (p *party) write(operation v1.RelationshipUpdate_Operation, texts ...string) error {
	updates := []*v1.RelationshipUpdate{}
	for _, text := range texts {
		updates = append(updates, &v1.RelationshipUpdate{Operation: operation, Relationship: relationship(text)})
	}
	return failure(p.WriteRelationships(p.ctx, &v1.WriteRelationshipsRequest{Updates: updates}))
}

func (p *party) check(text string) (v1.CheckPermissionResponse_Permissionship, error) {
	resource, permission, who := question(text)
	answer, err := p.CheckPermission(p.ctx, &v1.CheckPermissionRequest{
		Consistency: full, Resource: resource, Permission: permission, Subject: who,
	})
	return answer.GetPermissionship(), err
}

func (p *party) read(id string) ([]string, error) {
	found, err := all(p.ReadRelationships(p.ctx, &v1.ReadRelationshipsRequest{
		Consistency:        full,
		RelationshipFilter: &v1.RelationshipFilter{ResourceType: "document", OptionalResourceId: id},
	}))
	texts := []string{}
	for _, one := range found {
		texts = append(texts, textOf(one.Relationship))
	}
	return sorted(texts), err
}

func (p *party) resources(who string) ([]string, error) {
	found, err := all(p.LookupResources(p.ctx, &v1.LookupResourcesRequest{
		Consistency: full, ResourceObjectType: "document", Permission: "read", Subject: subject(who),
	}))
	ids := []string{}
	for _, one := range found {
		ids = append(ids, one.ResourceObjectId)
	}
	return sorted(ids), err
}

func (p *party) subjects(resource string) ([]string, error) {
	found, err := all(p.LookupSubjects(p.ctx, &v1.LookupSubjectsRequest{
		Consistency: full, Resource: object(resource), Permission: "read", SubjectObjectType: "user",
	}))
	ids := []string{}
	for _, one := range found {
		ids = append(ids, one.Subject.SubjectObjectId)
	}
	return sorted(ids), err
}

// expectDenied requires the refusal of a role, which says what was missing.
func expectDenied(what, missing string, err error) {
	expect(what+": code", codes.PermissionDenied, status.Code(err))
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			expect(what+": reason", "ACCESS_DENIED kilwa", info.Reason+" "+info.Domain)
			expect(what+": what was missing", missing, info.Metadata["missing"])
			return
		}
	}
	fail("%s: the refusal has no details", what)
}
