using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Postrider.Dashboard.Tests.Support;

namespace Postrider.Dashboard.Tests;

/// <summary>Changes that take longer than a request, those that fail half-way, and what the log keeps of them.</summary>
public sealed class RunTests
{
    [Fact]
    public async Task A_slow_replay_goes_on_without_the_browser_shows_how_far_it_is_and_can_be_stopped()
    {
        var time = new FakeTimeProvider(new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero));
        await using var app = await ActionTests.FailingAsync(5, services: services => services.AddSingleton<TimeProvider>(time));
        time.Advance(TimeSpan.FromSeconds(1));
        var page = await (await app.OpenAsync("/dead-letters/letters?queue=orders")).Fill("to-all", "by-hand").Fill("rate", "0.1").PressAsync("move-all");

        // The answer does not wait for it.
        var pressing = page.PressAsync("move-all");
        await app.HasAsync("by-hand", 1);
        page = await AdvanceAsync(time, TimeSpan.FromSeconds(1), pressing);
        Assert.Contains("1 done so far", page.Text(), StringComparison.Ordinal);
        Assert.NotNull(page.QuerySelector("meta[http-equiv=refresh]"));
        time.Advance(TimeSpan.FromSeconds(10));
        await app.HasAsync("by-hand", 2);

        var list = await app.OpenAsync("/dead-letters/letters?queue=orders");
        Assert.Contains("At work on this queue: move all dead letters of 'orders'", list.QuerySelector("[role=status]")!.TextContent, StringComparison.Ordinal);
        var refused = await (await list.Select("5").PressAsync("discard-selected")).PressAsync("discard-selected");
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains("Somebody is at work on this queue already", refused.Text(), StringComparison.Ordinal);

        page = await page.PressAsync("Stop");
        Assert.Contains("2 done, then it ended. The others are still there.", page.Text(), StringComparison.Ordinal);
        Assert.Contains("It was stopped.", page.QuerySelector("[role=alert]")!.TextContent, StringComparison.Ordinal);
        Assert.Null(page.QuerySelector("meta[http-equiv=refresh]"));
        Assert.Equal(["3", "4", "5"], await ActionTests.IdsAsync(app, "orders"));
        page = await (await app.OpenAsync("/dead-letters/letters?queue=orders")).Select("5").PressAsync("replay-selected");
        Assert.Contains("1 done, and that was all.", page.Text(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("selected")]
    [InlineData("all")]
    public async Task A_change_that_fails_tells_why_and_the_rest_is_still_there(string which)
    {
        await using var app = await ActionTests.FailingAsync(2);

        var page = await (await app.OpenAsync("/dead-letters/letters?queue=orders")).Select("1", "2").Fill($"to-{which}", "nowhere").PressAsync($"move-{which}");
        page = which == "all" ? await page.PressAsync("move-all") : page;

        Assert.Contains("0 done, then it ended. The others are still there.", page.Text(), StringComparison.Ordinal);
        Assert.Contains("nowhere", page.QuerySelector("[role=alert]")!.TextContent, StringComparison.Ordinal);
        Assert.Equal(["1", "2"], await ActionTests.IdsAsync(app, "orders"));
        Assert.Contains(app.Logged.Lines, static line => line.StartsWith("Postrider.Dashboard Warning: Ended early for", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_another_process_does_is_not_known_and_said_so()
    {
        await using var app = await ActionTests.FailingAsync(0);

        var page = await app.OpenAsync("/dead-letters/run?id=another");

        Assert.Equal(HttpStatusCode.NotFound, page.StatusCode);
        Assert.Contains("Only the process that carries a change out knows", page.Text(), StringComparison.Ordinal);
        var stop = await app.PostAsync("/dead-letters/stop", new FormUrlEncodedContent([new("id", "another")]));
        Assert.Equal(HttpStatusCode.BadRequest, stop.StatusCode);
    }

    [Fact]
    public async Task Each_change_is_logged_with_who_what_and_how_many_but_no_body()
    {
        await using var app = await ActionTests.FailingAsync(3);
        await app.SendRawAsync("orders", new() { Id = "4", Type = "x", Body = "secret body"u8.ToArray() });
        await app.HasAsync("orders", 4);

        var page = await (await app.OpenAsync("/dead-letters/letters?queue=orders")).Fill("type", "tests.order").PressAsync("Show");
        await page.Select("1", "2").Fill("to-selected", "by-hand").PressAsync("move-selected");
        await (await (await app.OpenAsync("/dead-letters/letters?queue=orders&id=3")).PressAsync("discard-all")).PressAsync("discard-all");
        await (await (await app.OpenAsync("/dead-letters/letters?queue=orders")).FollowAsync("4")).Fill("body", "another secret").PressAsync("Replay as edited");
        await app.PostAsync("/dead-letters/import", new MultipartFormDataContent { { new StringContent("queue=orders"), "view" }, { new ByteArrayContent([]), "file", "f" } });
        await app.Client.GetAsync("/dead-letters/export?queue=orders");

        var lines = app.Logged.Lines.Where(static line => line.StartsWith("Postrider.Dashboard", StringComparison.Ordinal)).ToArray();
        foreach (var what in new[]
        {
            "move 2 selected dead letters of 'orders' to 'by-hand'. 2 done, 0 were gone", "discard all dead letters of 'orders' (id 3, dead before ", "edit and replay a dead letter of 'orders' at ",
            "import into the dead letters of 'orders'. 0 done", "export of dead letters of 'orders'. 1 done",
        })
        {
            Assert.Contains(lines, line => line.StartsWith("Postrider.Dashboard Information: Done for 'somebody who is not signed in'", StringComparison.Ordinal) && line.Contains(what, StringComparison.Ordinal));
        }

        Assert.Equal(10, lines.Length);
        Assert.All(lines, static line => Assert.DoesNotContain("secret", line, StringComparison.Ordinal));
    }

    private static async Task<T> AdvanceAsync<T>(FakeTimeProvider time, TimeSpan step, Task<T> task)
    {
        await Eventually.IsAsync(() =>
        {
            if (!task.IsCompleted)
            {
                time.Advance(step);
            }

            return Task.FromResult(task.IsCompleted);
        });
        return await task;
    }
}
