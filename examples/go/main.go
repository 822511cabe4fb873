// A client of Kilwa: writes a schema and relationships, and asks about them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"

	pb "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"github.com/authzed/authzed-go/v1"
	"github.com/authzed/grpcutil"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const schema = `
definition user {}

definition document {
  relation owner: user
  relation reader: user
  permission edit = owner
  permission read = reader + edit
}
`

func document(name string) *pb.ObjectReference {
	return &pb.ObjectReference{ObjectType: "document", ObjectId: name}
}

func user(name string) *pb.SubjectReference {
	return &pb.SubjectReference{Object: &pb.ObjectReference{ObjectType: "user", ObjectId: name}}
}

// touch writes a relationship whether or not it exists, so that the program can be run again.
func touch(name, relation, who string) *pb.RelationshipUpdate {
	return &pb.RelationshipUpdate{
		Operation:    pb.RelationshipUpdate_OPERATION_TOUCH,
		Relationship: &pb.Relationship{Resource: document(name), Relation: relation, Subject: user(who)},
	}
}

func run(ctx context.Context) error {
	client, err := authzed.NewClient(
		os.Getenv("KILWA_ENDPOINT"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpcutil.WithInsecureBearerToken(os.Getenv("KILWA_TOKEN")),
	)
	if err != nil {
		return err
	}
	if _, err := client.WriteSchema(ctx, &pb.WriteSchemaRequest{Schema: schema}); err != nil {
		return err
	}
	written, err := client.WriteRelationships(ctx, &pb.WriteRelationshipsRequest{
		Updates: []*pb.RelationshipUpdate{
			touch("plan", "owner", "ann"),
			touch("memo", "reader", "ben"), touch("note", "reader", "ben"), touch("plan", "reader", "ben"),
		},
	})
	if err != nil {
		return err
	}

	// The token of the write: an answer at least as fresh as it has seen the relationships.
	fresh := &pb.Consistency{Requirement: &pb.Consistency_AtLeastAsFresh{AtLeastAsFresh: written.WrittenAt}}
	for _, query := range [][2]string{{"ann", "edit"}, {"ben", "edit"}, {"ben", "read"}} {
		name, permission := query[0], query[1]
		answer, err := client.CheckPermission(ctx, &pb.CheckPermissionRequest{
			Consistency: fresh, Resource: document("plan"), Permission: permission, Subject: user(name),
		})
		if err != nil {
			return err
		}
		has := "no"
		if answer.Permissionship == pb.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION {
			has = "yes"
		}
		fmt.Printf("%s may %s the plan: %s\n", name, permission, has)
	}

	// Many checks in one call; each has an answer or an error of its own.
	bulk, err := client.CheckBulkPermissions(ctx, &pb.CheckBulkPermissionsRequest{
		Consistency: fresh,
		Items: []*pb.CheckBulkPermissionsRequestItem{
			{Resource: document("memo"), Permission: "read", Subject: user("ann")},
			{Resource: document("plan"), Permission: "read", Subject: user("ann")},
		},
	})
	if err != nil {
		return err
	}
	for _, pair := range bulk.Pairs {
		answer := pair.GetItem().GetPermissionship().String()
		if pair.GetError() != nil {
			answer = pair.GetError().Message
		}
		fmt.Printf("ann, read, %s: %s\n", pair.Request.Resource.ObjectId, answer)
	}

	subjects, err := client.LookupSubjects(ctx, &pb.LookupSubjectsRequest{
		Consistency: fresh, Resource: document("plan"), Permission: "read", SubjectObjectType: "user",
	})
	if err != nil {
		return err
	}
	readers, err := all(subjects)
	if err != nil {
		return err
	}
	var names []string
	for _, reader := range readers {
		names = append(names, reader.Subject.SubjectObjectId)
	}
	slices.Sort(names)
	fmt.Println("readers of the plan:", strings.Join(names, " "))

	// A list in pages: each begins after the cursor of the last result before it, and all show the same revision.
	request := &pb.LookupResourcesRequest{
		Consistency: fresh, ResourceObjectType: "document", Permission: "read", Subject: user("ben"), OptionalLimit: 2,
	}
	for {
		found, err := client.LookupResources(ctx, request)
		if err != nil {
			return err
		}
		page, err := all(found)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		fmt.Print("ben may read:")
		for _, resource := range page {
			fmt.Print(" ", resource.ResourceObjectId)
		}
		fmt.Println()
		request.OptionalCursor = page[len(page)-1].AfterResultCursor
	}

	// A refused call has a reason for programs beside its text.
	refused, err := client.LookupResources(ctx, &pb.LookupResourcesRequest{
		ResourceObjectType: "film", Permission: "read", Subject: user("ben"),
	})
	if err == nil {
		_, err = all(refused)
	}
	fmt.Printf("refused: %s, %s\n", codes[status.Code(err)], reason(err))
	return nil
}

var codes = map[grpccodes.Code]string{grpccodes.FailedPrecondition: "FAILED_PRECONDITION"}

// reason says why a call was refused, such as ERROR_REASON_UNKNOWN_DEFINITION; it is empty if the server gives no reason.
func reason(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.Reason
		}
	}
	return ""
}

// all reads a stream to its end.
func all[T any](stream grpc.ServerStreamingClient[T]) ([]*T, error) {
	var found []*T
	for {
		next, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		found = append(found, next)
	}
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
