// Drives the official SDK of Go, which knows no tasks: what driver.ts does for plain clients, in Go. The variant is its era.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const thinkingTime = time.Second

var (
	target struct {
		URL     string   `json:"url"`
		Command string   `json:"command"`
		Args    []string `json:"args"`
	}
	asked      atomic.Int32
	goesOnAs   = regexp.MustCompile("goes on as task ([0-9a-f]{44})")
	session    *mcp.ClientSession
	background = context.Background()
)

func main() {
	check(json.Unmarshal([]byte(os.Getenv("CLIENTS_TARGET")), &target))
	check(connect())
	behave("short", func() (string, string, error) {
		text, err := call("greet", map[string]any{"name": "Ada"})
		return "call", text, err
	})
	behave("long", func() (string, string, error) { return followed(call("slow", map[string]any{})) })
	behave("question", question)
	behave("cancel", cancel)
	behave("failure", failure)
	behave("restart", func() (string, string, error) {
		text, err := call("relay", map[string]any{})
		if err == nil {
			err = restart()
		}
		return followed(text, err)
	})
	check(session.Close())
}

func connect() error {
	client := mcp.NewClient(&mcp.Implementation{Name: "go-sdk", Version: "1.8.0"}, &mcp.ClientOptions{
		ElicitationHandler: func(_ context.Context, request *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			if request.Params.Message != "Which colour?" {
				return nil, fmt.Errorf("asked something else: %s", request.Params.Message)
			}
			asked.Add(1)
			time.Sleep(thinkingTime)
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"colour": "blue"}}, nil
		},
	})
	revision := "2025-11-25"
	if os.Getenv("CLIENTS_VARIANT") == "modern" {
		revision = "2026-07-28"
	}
	var transport mcp.Transport = &mcp.CommandTransport{Command: exec.Command(target.Command, target.Args...)}
	if target.URL != "" {
		transport = &mcp.StreamableClientTransport{Endpoint: target.URL}
	}
	var err error
	session, err = client.Connect(background, transport, &mcp.ClientSessionOptions{ProtocolVersion: revision})
	return err
}

func question() (string, string, error) {
	text, err := call("ask", map[string]any{})
	if id := handedOver(text); id != "" {
		content := map[string]any{"colour": "blue"}
		text, err = call("task_respond", map[string]any{"taskId": id, "action": "accept", "content": content})
		if err == nil && handedOver(text) == "" {
			return "tools", text, nil
		}
	}
	return followed(text, err)
}

func cancel() (string, string, error) {
	text, err := call("forever", map[string]any{})
	if err != nil {
		return "", "", err
	}
	id := handedOver(text)
	if id == "" {
		return "", "", errors.New("what takes for ever was not handed over")
	}
	if _, err = call("task_cancel", map[string]any{"taskId": id}); err != nil {
		return "", "", err
	}
	text, err = call("task_status", map[string]any{"taskId": id})
	return "tools", text, err
}

func failure() (string, string, error) {
	var reasons []string
	for _, how := range []string{"tool", "protocol"} {
		text, err := call("fail", map[string]any{"how": how})
		if err == nil {
			return "", "", fmt.Errorf("no failure, but %s", text)
		}
		reasons = append(reasons, err.Error())
	}
	return "call", strings.Join(reasons, " "), nil
}

// Of the server behind a URL; over stdio, the client is the one that starts it.
func restart() error {
	if target.URL == "" {
		if err := session.Close(); err != nil {
			return err
		}
		return connect()
	}
	response, err := http.Post(os.Getenv("CLIENTS_RESTART_URL"), "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New("no restart: " + response.Status)
	}
	return nil
}

func followed(text string, err error) (string, string, error) {
	id := handedOver(text)
	if err != nil || id == "" {
		return "call", text, err
	}
	for err == nil && handedOver(text) != "" {
		text, err = call("task_status", map[string]any{"taskId": id, "waitSeconds": 5})
	}
	return "tools", text, err
}

// An error of the tool is an error.
func call(tool string, arguments map[string]any) (string, error) {
	result, err := session.CallTool(background, &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return "", err
	}
	var words []string
	for _, block := range result.Content {
		if text, ok := block.(*mcp.TextContent); ok {
			words = append(words, text.Text)
		}
	}
	text := strings.Join(words, "\n")
	if result.IsError {
		return "", errors.New(text)
	}
	return text, nil
}

func handedOver(text string) string {
	if found := goesOnAs.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}

func behave(behaviour string, run func() (string, string, error)) {
	before := asked.Load()
	outcome, detail, err := run()
	if err != nil {
		outcome, detail = "error", err.Error()
	}
	if times := asked.Load() - before; times > 1 {
		outcome, detail = "error", fmt.Sprintf("asked %d times", times)
	}
	line, err := json.Marshal(struct {
		Behaviour string `json:"behaviour"`
		Outcome   string `json:"outcome"`
		Detail    string `json:"detail"`
	}{behaviour, outcome, detail})
	check(err)
	fmt.Println(string(line))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
