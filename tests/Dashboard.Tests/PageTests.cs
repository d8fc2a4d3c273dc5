using System.Net;
using System.Text;
using Postrider.Core.InMemory;
using Postrider.Core.Transport;
using Postrider.Dashboard.Tests.Support;

namespace Postrider.Dashboard.Tests;

/// <summary>Pages of many and of large letters, and what is shown when the broker cannot be asked.</summary>
public sealed class PageTests
{
    [Fact]
    public async Task Many_are_shown_page_by_page_and_a_filter_goes_on_where_the_page_ended()
    {
        await using var app = await EmptyAsync();
        for (var i = 1; i <= 120; i++)
        {
            await app.SendRawAsync("orders.dlq", new() { Id = $"{i}", Type = i % 60 == 0 ? "rare" : "common" });
        }

        var page = await app.OpenAsync("/dead-letters/letters?queue=orders");
        Assert.Equal(Enumerable.Range(1, 50).Select(static i => $"{i}"), page.Ids());
        Assert.Contains("120 in all. 50 were looked at; 50 fit and are shown, oldest first.", page.Text(), StringComparison.Ordinal);
        page = await page.FollowAsync("Look further");
        Assert.Equal("51", page.Ids()[0]);
        page = await page.FollowAsync("Look further");
        Assert.Equal(Enumerable.Range(101, 20).Select(static i => $"{i}"), page.Ids());
        Assert.DoesNotContain("Look further", page.Text(), StringComparison.Ordinal);
        page = await page.FollowAsync("From the first");
        page = await page.Fill("type", "rare").PressAsync("Show");
        Assert.Equal(["60", "120"], page.Ids());
    }

    [Fact]
    public async Task A_filter_that_fits_nothing_does_not_hold_the_page()
    {
        await using var app = await EmptyAsync();
        for (var i = 0; i < 2_100; i++)
        {
            await app.SendRawAsync("orders.dlq", new() { Id = $"{i}" });
        }

        var page = await app.OpenAsync("/dead-letters/letters?queue=orders&id=2050");
        Assert.Contains("2,000 were looked at; 0 fit", page.Text(), StringComparison.Ordinal);
        page = await page.FollowAsync("Look further");
        Assert.Equal(["2050"], page.Ids());
        Assert.Contains("The last 100 further were looked at; 1 fit", page.Text(), StringComparison.Ordinal);
        var question = await (await app.OpenAsync("/dead-letters/letters?queue=orders")).PressAsync("discard-all");
        Assert.Contains("At least 2,000 fit: of the first 2,000", question.Text(), StringComparison.Ordinal);
        Assert.Contains("2,100 done", (await question.PressAsync("discard-all")).Text(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_large_body_is_shown_in_part_and_downloaded_whole_as_a_file_that_no_browser_runs()
    {
        await using var app = await EmptyAsync();
        // The cut goes through a character.
        var body = Encoding.UTF8.GetBytes("xx" + string.Concat(Enumerable.Repeat("鍵", 100_000)));
        await app.SendRawAsync("orders.dlq", new() { Id = "large", Body = body, ContentType = "text/html" });

        var page = await (await app.OpenAsync("/dead-letters/letters?queue=orders")).FollowAsync("large");

        Assert.Contains("300,002 bytes. Text. Only the first 65,534 bytes are shown.", page.Text(), StringComparison.Ordinal);
        Assert.Equal("xx" + string.Concat(Enumerable.Repeat("鍵", 21_844)), page.QuerySelector("pre")!.TextContent);
        var answer = await app.Client.GetAsync(new Uri(new Uri(page.Url), page.QuerySelector("a[href^=body]")!.GetAttribute("href")));
        Assert.Equal(body, await answer.Content.ReadAsByteArrayAsync());
        Assert.Equal(
            ("application/octet-stream", "attachment; filename=\"body.bin\"", "nosniff", "default-src 'none'; sandbox"),
            ($"{answer.Content.Headers.ContentType}", $"{answer.Content.Headers.ContentDisposition}", answer.Headers.GetValues("X-Content-Type-Options").Single(), answer.Headers.GetValues("Content-Security-Policy").Single()));
    }

    [Fact]
    public async Task Bytes_are_shown_in_hexadecimal()
    {
        await using var app = await EmptyAsync();
        await app.SendRawAsync("orders.dlq", new() { Id = "bytes", Body = (byte[])[0xFF, .. "<script>12345678"u8] });

        var page = await (await app.OpenAsync("/dead-letters/letters?queue=orders")).FollowAsync("bytes");

        Assert.Equal(
            "00000000  ff 3c 73 63 72 69 70 74  3e 31 32 33 34 35 36 37  .<script>1234567\n00000010  38                                                8\n",
            page.QuerySelector("pre")!.TextContent);
    }

    [Fact]
    public async Task Every_page_forbids_scripts_frames_and_caches()
    {
        await using var app = await EmptyAsync();

        foreach (var path in new[] { "", "/", "/letters?queue=orders", "/letters?queue=none", "/letters", "/style.css", "/run" })
        {
            var headers = (await app.Client.GetAsync($"/dead-letters{path}")).Headers;
            Assert.Equal("default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'", headers.GetValues("Content-Security-Policy").Single());
            Assert.Equal("nosniff", headers.GetValues("X-Content-Type-Options").Single());
            Assert.Equal("DENY", headers.GetValues("X-Frame-Options").Single());
            Assert.Equal("same-origin", headers.GetValues("Referrer-Policy").Single());
            Assert.True(headers.CacheControl!.NoStore);
        }
    }

    [Fact]
    public async Task Each_field_has_a_label_and_each_table_its_headers()
    {
        await using var app = await EmptyAsync();
        await app.SendRawAsync("orders.dlq", new() { Id = "1", Headers = new Dictionary<string, string> { ["a"] = "b" } });
        var list = await app.OpenAsync("/dead-letters/letters?queue=orders");

        foreach (var page in new[] { await app.OpenAsync("/dead-letters"), list, await list.FollowAsync("1"), await list.PressAsync("discard-all") })
        {
            Assert.Equal("en", page.DocumentElement.GetAttribute("lang"));
            Assert.Single(page.QuerySelectorAll("h1"));
            Assert.Distinct(page.QuerySelectorAll("[id]").Select(static one => one.Id));
            Assert.All(
                page.QuerySelectorAll("input:not([type=hidden]), select, textarea"),
                field => Assert.True(field.HasAttribute("aria-label") || page.QuerySelector($"label[for='{field.Id}']") is not null, field.OuterHtml));
            Assert.All(page.QuerySelectorAll("table"), static table =>
            {
                Assert.NotNull(table.QuerySelector("caption"));
                Assert.All(table.QuerySelectorAll("th"), static header => Assert.True(header.HasAttribute("scope")));
            });
            // The enter key in a field must not press a button that changes something.
            Assert.All(page.QuerySelectorAll("form[method=post]").Where(static form => form.QuerySelector("input:not([type=hidden]):not([type=file])") is not null),
                static form => Assert.True(form.QuerySelector("button")!.HasAttribute("disabled")));
        }
    }

    [Fact]
    public async Task A_queue_or_a_letter_that_is_not_there_and_an_address_that_says_nothing_are_told()
    {
        await using var app = await EmptyAsync();

        foreach (var (path, status, text) in new[]
        {
            ("letters?queue=none", HttpStatusCode.NotFound, "There is no such queue"), ("letters?queue=Bad", HttpStatusCode.BadRequest, "is illegal"),
            ("letters?queue=orders.dlq", HttpStatusCode.BadRequest, "'.dlq'"), ("letters", HttpStatusCode.BadRequest, "No queue is named"),
            ("letter?queue=orders&at=77", HttpStatusCode.NotFound, "is not in the queue any more"), ("letter?queue=orders", HttpStatusCode.BadRequest, "No dead letter is named"),
            ("body?queue=orders&at=77", HttpStatusCode.NotFound, "is not in the queue any more"), ("export?queue=none", HttpStatusCode.NotFound, "There is no such queue"),
        })
        {
            var page = await app.OpenAsync($"/dead-letters/{path}");
            Assert.Equal(status, page.StatusCode);
            Assert.Contains(text, page.Text(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_broker_that_is_away_is_told_without_a_stack_trace()
    {
        var broken = new Broken(new InMemoryTransport(new(TimeProvider.System)));
        await using var app = await App.StartAsync(messaging => messaging
            .UseTransport("broken", _ => broken)
            .AddConsumer<Order>("orders", static (_, _, _) => new(Outcome.DeadLetter("no"))));
        for (var i = 0; i < 150; i++)
        {
            await app.SendRawAsync("orders.dlq", new() { Id = $"{i}" });
        }

        var list = await app.OpenAsync("/dead-letters/letters?queue=orders");
        broken.AnswersLeft = 0;
        foreach (var path in new[] { "", "letters?queue=orders", "letter?queue=orders&at=1", "body?queue=orders&at=1", "export?queue=orders" })
        {
            var page = await app.OpenAsync($"/dead-letters/{path}");
            Assert.Equal(HttpStatusCode.ServiceUnavailable, page.StatusCode);
            Assert.Equal("The broker cannot be asked", page.QuerySelector("h1")!.TextContent);
            Assert.Contains("the wire is cut", page.Text(), StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", page.Text(), StringComparison.Ordinal);
        }

        var failed = await list.Select("1").PressAsync("replay-selected");
        Assert.Contains("the wire is cut", failed.QuerySelector("[role=alert]")!.TextContent, StringComparison.Ordinal);

        // A download that breaks off must not look like a whole one: the count and the first page are answered, the next is not.
        broken.AnswersLeft = 2;
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => app.Client.GetStringAsync("/dead-letters/export?queue=orders"));
    }

    private static Task<App> EmptyAsync() => App.StartAsync(static messaging => messaging.UseInMemory().AddConsumer<Order>("orders", static (_, _, _) => new(Outcome.Ack)));

    /// <summary>The in-memory transport, which answers questions about dead letters as often as it is told.</summary>
    private sealed class Broken(InMemoryTransport inner) : ITransport, IDeadLetterAccess
    {
        public int AnswersLeft { get; set; } = int.MaxValue;

        public TransportCapabilities Capabilities => inner.Capabilities;

        private IDeadLetterAccess Inner => AnswersLeft-- > 0 ? inner : throw new TransportException("The broker is away: the wire is cut.", TransportError.Unavailable);

        public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => inner.DeclareAsync(topology, cancellationToken);

        public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
            inner.PublishAsync(batch, results, cancellationToken);

        public ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) => inner.OpenReceiverAsync(options, cancellationToken);

        public ValueTask<long> CountAsync(string queue, CancellationToken cancellationToken) => Inner.CountAsync(queue, cancellationToken);

        public ValueTask<IReadOnlyList<StoredDeadLetter>> ListAsync(string queue, string? after, int max, CancellationToken cancellationToken) =>
            Inner.ListAsync(queue, after, max, cancellationToken);

        public ValueTask<StoredDeadLetter?> FindAsync(string queue, string position, CancellationToken cancellationToken) => Inner.FindAsync(queue, position, cancellationToken);

        public ValueTask<bool> DeleteAsync(string queue, string position, CancellationToken cancellationToken) => Inner.DeleteAsync(queue, position, cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
