using System.Text;
using AngleSharp.Dom;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Dashboard.Tests.Support;

namespace Postrider.Dashboard.Tests;

/// <summary>What a person can do with dead letters, through a browser without scripts, with those that a failing consumer left.</summary>
public sealed class ActionTests
{
    [Fact]
    public async Task The_first_page_tells_how_many_each_queue_has_and_leads_to_them()
    {
        await using var app = await FailingAsync(2);

        var page = await app.OpenAsync("/dead-letters");
        Assert.Equal("/dead-letters/", new Uri(page.Url).AbsolutePath);
        Assert.Equal(["2", "0"], page.QuerySelectorAll("td").Select(static cell => cell.TextContent));
        page = await page.FollowAsync("orders");

        Assert.Equal(["1", "2"], page.Ids());
        Assert.Contains("out of stock", page.Text(), StringComparison.Ordinal);
        page = await (await app.OpenAsync("/dead-letters/")).Fill("queue", "by-hand").PressAsync("Show");
        Assert.Equal("Dead letters of by-hand", page.QuerySelector("h1")!.TextContent);
    }

    [Fact]
    public async Task A_letter_shows_all_that_it_has()
    {
        await using var app = await FailingAsync(0);
        await app.Bus.SendAsync("orders", new Order(7), new()
        {
            MessageId = "7",
            Key = "k",
            CorrelationId = "c",
            Headers = new Dictionary<string, string> { ["tenant"] = "north" },
        });
        await app.HasAsync("orders", 1);

        var page = await (await app.OpenAsync("/dead-letters/letters?queue=orders")).FollowAsync("7");

        var lines = page.QuerySelectorAll("dt").Select(static dt => (dt.TextContent, dt.NextElementSibling!.TextContent)).ToArray();
        foreach (var line in new[]
        {
            ("Reason", "exhausted"), ("Exception", typeof(InvalidOperationException).FullName!), ("Its message", "out of stock"), ("Attempts", "1"), ("Queue", "orders"),
            ("Id", "7"), ("Type", "tests.order"), ("Key", "k"), ("Correlation id", "c"), ("Content type", "application/json"),
        })
        {
            Assert.Contains(line, lines);
        }

        Assert.Contains("at Postrider.Dashboard.Tests", lines.Single(static line => line.Item1 == "Stack trace").Item2, StringComparison.Ordinal);
        Assert.Contains(page.QuerySelectorAll("tr"), static row => row.TextContent == "tenantnorth");
        Assert.Contains("\"number\":7", page.QuerySelector("pre[aria-label=Body]")!.TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_is_replayed_with_fresh_attempts_and_a_reload_repeats_nothing()
    {
        var handled = new List<(int, string)>();
        await using var app = await FailingAsync(2, handled);

        var page = await (await app.OpenAsync("/dead-letters/letters?queue=orders")).FollowAsync("2");
        page = await page.PressAsync("replay-selected");

        Assert.Contains("1 done, and that was all.", page.Text(), StringComparison.Ordinal);
        await Eventually.IsAsync(() => Task.FromResult(handled.Count == 3));
        Assert.Equal((2, "orders.dlq"), handled[2]);
        await app.OpenAsync(page.Url);
        await app.HasAsync("orders", 2);
        Assert.Equal(3, handled.Count);
    }

    [Fact]
    public async Task Those_selected_are_moved_and_what_was_gone_is_told()
    {
        await using var app = await FailingAsync(4);
        var page = await app.OpenAsync("/dead-letters/letters?queue=orders");
        await foreach (var letter in app.Letters.ListAsync("orders", new() { MessageId = "3" }))
        {
            await app.Letters.DiscardAsync(letter);
        }

        page = await page.Select("2", "3", "4").Fill("to-selected", "by-hand").PressAsync("move-selected");

        Assert.Contains("2 done, and that was all. 1 were gone already.", page.Text(), StringComparison.Ordinal);
        Assert.Equal(["1"], await IdsAsync(app, "orders"));
        await app.HasAsync("by-hand", 2);
        Assert.Equal("Dead letters of orders", (await page.FollowAsync("Dead letters of orders")).QuerySelector("h1")!.TextContent);
    }

    [Fact]
    public async Task All_that_fit_the_filter_are_replayed_after_a_question()
    {
        await using var app = await FailingAsync(3);
        await app.SendRawAsync("orders", new() { Id = "strange", Type = "nobody.knows" });
        await app.HasAsync("orders", 4);

        var page = await (await app.OpenAsync("/dead-letters/letters?queue=orders")).Fill("reason", "unknown-type").PressAsync("Show");
        Assert.Equal(["strange"], page.Ids());
        page = await page.Fill("to-all", "by-hand").Fill("rate", "100").PressAsync("move-all");
        Assert.Contains("move all dead letters of 'orders' (reason unknown-type, dead before ", page.Text(), StringComparison.Ordinal);
        Assert.Contains("to 'by-hand', at most 100 a second", page.Text(), StringComparison.Ordinal);
        Assert.Contains("1 fit now.", page.Text(), StringComparison.Ordinal);
        await app.HasAsync("orders", 4);
        page = await page.PressAsync("move-all");

        Assert.Contains("1 done, and that was all.", page.Text(), StringComparison.Ordinal);
        Assert.Equal(["1", "2", "3"], await IdsAsync(app, "orders"));
        await app.HasAsync("by-hand", 1);
    }

    [Theory]
    [InlineData("selected")]
    [InlineData("all")]
    public async Task Nothing_is_discarded_before_a_question_is_answered(string which)
    {
        await using var app = await FailingAsync(3);

        var page = await (await app.OpenAsync("/dead-letters/letters?queue=orders")).Select("1", "3").PressAsync($"discard-{which}");
        Assert.Contains("cannot be brought back", page.Text(), StringComparison.Ordinal);
        Assert.Equal(["1", "2", "3"], await IdsAsync(app, "orders"));
        page = await page.PressAsync($"discard-{which}");

        Assert.Contains($"{(which == "all" ? 3 : 2)} done", page.Text(), StringComparison.Ordinal);
        Assert.Equal(which == "all" ? [] : ["2"], await IdsAsync(app, "orders"));
    }

    [Fact]
    public async Task What_dies_while_somebody_thinks_about_the_question_is_not_meant()
    {
        await using var app = await FailingAsync(1);
        var page = await (await app.OpenAsync("/dead-letters/letters?queue=orders")).PressAsync("discard-all");
        await app.Bus.SendAsync("orders", new Order(2), new() { MessageId = "later" });
        await app.HasAsync("orders", 2);

        await page.PressAsync("discard-all");

        Assert.Equal(["later"], await IdsAsync(app, "orders"));
    }

    [Theory]
    [InlineData("{\"number\":1,\n\"text\":\"bad\"}\n", "{\"number\":1,\n\"text\":\"good\"}\n")]
    [InlineData("{\"number\":1,\r\n\"text\":\"bad\"}", "{\"number\":1,\r\n\"text\":\"good\"}")]
    [InlineData("\n{\"text\":\"bad ä 鍵 💌 \u202E<&\"}", "\n{\"text\":\"good ä 鍵 💌 \u202E<&\"}")]
    public async Task A_body_is_edited_and_nothing_else_of_it_changes(string body, string edited)
    {
        await using var app = await FailingAsync(0);
        await app.SendRawAsync("orders", new() { Id = "7", Type = "old.name", ContentType = "application/json", Body = Encoding.UTF8.GetBytes(body), Key = "k" });
        await app.HasAsync("orders", 1);

        var page = await (await app.OpenAsync("/dead-letters/letters?queue=orders")).FollowAsync("7");
        var text = page.QuerySelector("textarea")!.TextContent;
        Assert.Equal(body.ReplaceLineEndings("\n"), text.ReplaceLineEndings("\n"));
        page = await page.Fill("body", text.ReplaceLineEndings("\r\n").Replace("bad", "good", StringComparison.Ordinal)).Fill("type", "new.name").PressAsync("Replay as edited");

        Assert.Contains("1 done, and that was all.", page.Text(), StringComparison.Ordinal);
        // The new name is as unknown as the old one: so it is here again.
        await Eventually.IsAsync(async () => (await ListAsync(app, "orders")) is [{ Envelope.Type: "new.name" }]);
        var letter = Assert.Single(await ListAsync(app, "orders"));
        Assert.Equal(edited, Encoding.UTF8.GetString(letter.Envelope.Body.Span));
        Assert.Equal(("7", "application/json", "k"), (letter.Envelope.Id, letter.Envelope.ContentType, letter.Envelope.Key));
    }

    [Theory]
    [InlineData(new byte[] { 0xC3, 0x28 })]
    [InlineData(new byte[] { (byte)'a', 0 })]
    [InlineData(new byte[] { (byte)'a', (byte)'\r', (byte)'b' })]
    [InlineData(new byte[] { (byte)'\n', (byte)'\r', (byte)'\n' })]
    [InlineData(new byte[] { 0xC2, 0x85 })]
    public async Task What_a_form_would_change_is_not_edited(byte[] body)
    {
        await using var app = await FailingAsync(0);
        await app.SendRawAsync("orders", new() { Id = "7", Body = body, Type = "x" });
        await app.HasAsync("orders", 1);

        var page = await (await app.OpenAsync("/dead-letters/letters?queue=orders")).FollowAsync("7");

        Assert.Null(page.QuerySelector("textarea"));
        Assert.Contains("It cannot be edited here", page.Text(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_export_is_a_file_that_can_be_imported_again()
    {
        await using var app = await FailingAsync(3);

        var answer = await app.Client.GetAsync("/dead-letters/export?queue=orders&id=2");
        var file = await answer.Content.ReadAsByteArrayAsync();
        Assert.Equal(("application/x-ndjson", "attachment; filename=\"orders.dlq.ndjson\""), ($"{answer.Content.Headers.ContentType}", $"{answer.Content.Headers.ContentDisposition}"));
        Assert.Equal("nosniff", answer.Headers.GetValues("X-Content-Type-Options").Single());
        var page = await ImportAsync(app, file);
        Assert.Contains("1 done, and that was all.", page.Text(), StringComparison.Ordinal);
        Assert.Equal(["1", "2", "3", "2"], await IdsAsync(app, "orders"));

        page = await ImportAsync(app, [.. file, .. "nonsense\n"u8]);
        Assert.Contains("1 done, then it ended.", page.Text(), StringComparison.Ordinal);
        Assert.Contains("Line 2 is no dead letter", page.QuerySelector("[role=alert]")!.TextContent, StringComparison.Ordinal);
        Assert.Equal(5, (await IdsAsync(app, "orders")).Length);
    }

    private static async Task<IDocument> ImportAsync(App app, byte[] file)
    {
        var answer = await app.PostAsync("/dead-letters/import", new MultipartFormDataContent
        {
            { new StringContent("queue=orders"), "view" },
            { new ByteArrayContent(file), "file", "file.ndjson" },
        });
        return await app.OpenAsync($"/dead-letters/{answer.Headers.Location}");
    }

    internal static async Task<App> FailingAsync(int orders, List<(int, string)>? handled = null, Action<IServiceCollection>? services = null)
    {
        var app = await App.StartAsync(
            messaging => messaging
                .AddConsumer<Order>(
                    "orders",
                    (order, context, _) =>
                    {
                        handled?.Add((order.Number, context.Headers.GetValueOrDefault(DeadLetter.ReplayedFrom, "")));
                        throw new InvalidOperationException("out of stock");
                    },
                    static options => options with { Retry = RetryPolicy.Immediate with { MaxAttempts = 1 } })
                .AddConsumer<Order>("by-hand", static (_, _, _) => new(Outcome.DeadLetter("not by hand either"))),
            services: services);
        for (var i = 1; i <= orders; i++)
        {
            await app.Bus.SendAsync("orders", new Order(i), new() { MessageId = $"{i}" });
            await app.HasAsync("orders", i);
        }

        return app;
    }

    internal static async Task<List<DeadLetter>> ListAsync(App app, string queue)
    {
        var found = new List<DeadLetter>();
        await foreach (var letter in app.Letters.ListAsync(queue))
        {
            found.Add(letter);
        }

        return found;
    }

    internal static async Task<string[]> IdsAsync(App app, string queue) => [.. (await ListAsync(app, queue)).Select(static letter => letter.Envelope.Id)];
}
