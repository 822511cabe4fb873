// Plays every call of the official Go client: tour ENDPOINT TOKEN FOLDER [--kilwa].
//
// The store behind the token has to be empty; in the folder are the schema and the relationships. Every step states what it
// expects; the first one that is not met ends the run with a failure. With --kilwa, what Kilwa has beyond SpiceDB is played
// as well. Against SpiceDB, start `spicedb serve` with `--datastore-revision-quantization-interval 10ms`: an answer without
// a consistency may rest on what was true one interval ago.
//
// With `roles` or `costs` in place of the endpoint it does what is said in those files.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"github.com/authzed/authzed-go/v1"
	"github.com/authzed/grpcutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
)

// session is an application with a client: it remembers what it wrote last, and which calls it has made.
type session struct {
	*authzed.RetryableClient
	ctx           context.Context
	token         *v1.ZedToken
	schema        string
	relationships []string
	lock          sync.Mutex
	made          map[string]bool
}

var steps = []func(*session){
	writeAndReadSchema, write, refusedWrites, takenRelation, reflectSchema, dependencies, differences,
	read, readPages, refusedReads, deletions,
	answers, refusedChecks, consistencies, traces, trailers, bulkChecks, expand,
	lookupResources, pagesOfResources, refusedResources, lookupSubjects, refusedSubjects,
	changes, live, refusedWatches,
	imports, retriedImports, exports, counters,
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "roles" {
		playRoles(os.Args[2:])
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "costs" {
		measureCosts(os.Args[2:])
		return
	}
	if len(os.Args) < 4 {
		fail("usage: tour ENDPOINT TOKEN FOLDER [--kilwa]")
	}
	endpoint, token, folder := os.Args[1], os.Args[2], os.Args[3]
	session := &session{
		ctx:           context.Background(),
		schema:        string(must(os.ReadFile(filepath.Join(folder, "tour.zed")))),
		relationships: strings.Split(strings.TrimSpace(string(must(os.ReadFile(filepath.Join(folder, "tour.relationships"))))), "\n"),
		made:          map[string]bool{},
	}
	session.RetryableClient = must(authzed.NewRetryableClient(
		endpoint,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpcutil.WithInsecureBearerToken(token),
		grpc.WithUnaryInterceptor(session.recordUnary),
		grpc.WithStreamInterceptor(session.recordStream),
	))
	for _, step := range steps {
		step(session)
	}
	if slices.Contains(os.Args[4:], "--kilwa") {
		pagesOfSubjects(session)
		resumedDeletion(session)
	}
	otherServices(endpoint)
	expect("calls of the client that were left out", []string{}, session.leftOut())
	must(0, session.Close())
}

func (s *session) recordUnary(
	ctx context.Context, method string, request, reply any, connection *grpc.ClientConn,
	call grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	s.record(method)
	return call(ctx, method, request, reply, connection, options...)
}

func (s *session) recordStream(
	ctx context.Context, description *grpc.StreamDesc, connection *grpc.ClientConn, method string,
	call grpc.Streamer, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	s.record(method)
	return call(ctx, description, connection, method, options...)
}

func (s *session) record(method string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.made[method[strings.LastIndex(method, "/")+1:]] = true
}

// leftOut are the calls that the client has, and nobody made: the methods that take options of a call.
func (s *session) leftOut() []string {
	left, options := []string{}, reflect.TypeFor[[]grpc.CallOption]()
	client, made := reflect.TypeOf(s.RetryableClient), []string{}
	for index := range client.NumMethod() {
		method := client.Method(index)
		if !method.Type.IsVariadic() || method.Type.In(method.Type.NumIn()-1) != options {
			continue
		}
		if s.made[method.Name] {
			made = append(made, method.Name)
		} else {
			left = append(left, method.Name)
		}
	}
	if len(left)+len(made) == 0 {
		fail("the client shows none of its calls")
	}
	fmt.Println("calls made:", strings.Join(made, " "))
	return left
}

// otherServices are health and reflection, which ask for no key.
func otherServices(endpoint string) {
	connection := must(grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials())))
	defer connection.Close()
	for _, name := range []string{"", "authzed.api.v1.PermissionsService"} {
		request := &grpc_health_v1.HealthCheckRequest{Service: name}
		found := must(grpc_health_v1.NewHealthClient(connection).Check(context.Background(), request))
		expect("health of `"+name+"`", grpc_health_v1.HealthCheckResponse_SERVING, found.Status)
	}
	stream := must(grpc_reflection_v1.NewServerReflectionClient(connection).ServerReflectionInfo(context.Background()))
	must(0, stream.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
	}))
	names := []string{}
	for _, service := range must(stream.Recv()).GetListServicesResponse().Service {
		if strings.HasPrefix(service.Name, "authzed.api.v1.") {
			names = append(names, strings.TrimPrefix(service.Name, "authzed.api.v1."))
		}
	}
	expected := []string{"ExperimentalService", "PermissionsService", "SchemaService", "WatchService"}
	expect("reflection", expected, sorted(names))
	must(0, stream.CloseSend())
}
