using System.Text;
using AngleSharp.Dom;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Dashboard.DeadLetters;
using Postrider.Dashboard.Html;
using Postrider.Dashboard.Tests.Support;

namespace Postrider.Dashboard.Tests;

/// <summary>All that a message says is hostile: none of it becomes markup, and all of it is seen.</summary>
public sealed class EscapingTests
{
    private const string Attack =
        "<script>alert(1)</script>\"><img src=x onerror=alert(1)>' onfocus='alert(1)' autofocus x=`${1}` javascript:alert(1) &lt;b&gt; </textarea></title><!--\u202Eevil\u2066\u200B\u0007\u2028";

    private static readonly HashSet<string> Elements =
    [
        "html", "head", "meta", "title", "link", "body", "header", "nav", "a", "main", "h1", "h2", "p", "form", "fieldset", "legend", "input", "label", "select", "option", "button", "table",
        "caption", "thead", "tbody", "tr", "th", "td", "datalist", "section", "time", "small", "dl", "dt", "dd", "pre", "textarea", "details", "summary", "strong",
    ];

    private static readonly HashSet<string> Attributes =
    [
        "lang", "charset", "name", "content", "rel", "href", "aria-label", "aria-labelledby", "id", "for", "class", "method", "action", "enctype", "type", "value", "selected", "step", "scope",
        "title", "disabled", "hidden", "list", "min", "max", "required", "datetime", "tabindex", "rows", "spellcheck", "role", "checked",
    ];

    [Fact]
    public async Task What_messages_and_people_say_is_text_on_every_page()
    {
        await using var app = await App.StartAsync(
            static messaging => messaging.UseInMemory().AddConsumer<Order>(
                "orders", static (_, _, _) => throw new InvalidOperationException(Attack), static options => options with { Retry = RetryPolicy.Immediate with { MaxAttempts = 1 } }),
            services: static services => services.AddAuthentication("named").AddScheme<AuthenticationSchemeOptions, Named>("named", null));
        await app.SendRawAsync("orders", new()
        {
            Id = Attack,
            Type = "tests.order",
            ContentType = "application/json",
            Body = "{}"u8.ToArray(),
            Key = Attack,
            Subject = Attack,
            CorrelationId = Attack,
            CausationId = Attack,
            Source = Attack,
            Topic = Attack,
            ReplyTo = Attack,
            TraceState = Attack,
            Baggage = Attack,
            Headers = new Dictionary<string, string> { [Attack] = Attack, ["x"] = "" },
        });
        await app.HasAsync("orders", 1);
        await app.SendRawAsync("orders", new() { Id = "2", Type = Attack, ContentType = Attack, ContentEncoding = Attack, Body = Encoding.UTF8.GetBytes(Attack) });
        await app.HasAsync("orders", 2);

        var list = await app.OpenAsync("/dead-letters/letters?queue=orders");
        AssertHarmless(list, 4);
        foreach (var link in list.QuerySelectorAll("tbody th a"))
        {
            AssertHarmless(await app.OpenAsync($"/dead-letters/{link.GetAttribute("href")}"), 4);
        }

        AssertHarmless(await app.OpenAsync("/dead-letters"), 0);
        AssertHarmless(await app.OpenAsync($"/dead-letters/letters?queue=orders&id={Uri.EscapeDataString(Attack)}&type={Uri.EscapeDataString(Attack)}&exception={Uri.EscapeDataString(Attack)}"), 0);
        AssertHarmless(await app.OpenAsync($"/dead-letters/letters?queue={Uri.EscapeDataString(Attack)}"), 0);
        AssertHarmless(await app.OpenAsync($"/dead-letters/letters?queue=orders&reason={Uri.EscapeDataString(Attack)}"), 1);
        AssertHarmless(await app.OpenAsync($"/dead-letters/letter?queue=orders&at={Uri.EscapeDataString(Attack)}"), 0);
        AssertHarmless(await app.OpenAsync($"/dead-letters/run?id={Uri.EscapeDataString(Attack)}"), 0);
        var filtered = await app.OpenAsync($"/dead-letters/letters?queue=orders&id={Uri.EscapeDataString(Attack)}");
        var question = await filtered.Fill("to-all", Attack).PressAsync("move-all");
        AssertHarmless(question, 2);
        var failed = await question.PressAsync("move-all");
        AssertHarmless(failed, 3);
        Assert.Contains("Asked for by <script>", failed.Text(), StringComparison.Ordinal);
        Assert.All(app.Logged.Lines.Where(static line => line.StartsWith("Postrider.Dashboard", StringComparison.Ordinal)), static line => Assert.DoesNotContain('\u202E', line));
    }

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("ä 鍵 עברית 💌", "ä 鍵 עברית 💌")]
    [InlineData("two\nlines\r\nand\ta tab", "two\nlines\r\nand\ta tab")]
    [InlineData("a\rb", "a⟦U+000D⟧b")]
    [InlineData("\0\u001B[31m", "⟦U+0000⟧⟦U+001B⟧[31m")]
    [InlineData("photo\u202Egnp.exe", "photo⟦U+202E⟧gnp.exe")]
    [InlineData("\u200B\u200D\uFEFF\u00AD\u2066\u061C", "⟦U+200B⟧⟦U+200D⟧⟦U+FEFF⟧⟦U+00AD⟧⟦U+2066⟧⟦U+061C⟧")]
    [InlineData("\u2028\u2029\u0085", "⟦U+2028⟧⟦U+2029⟧⟦U+0085⟧")]
    [InlineData("\uE000\uFFFF\U000E0041\U000F0000", "⟦U+E000⟧⟦U+FFFF⟧⟦U+E0041⟧⟦U+F0000⟧")]
    [InlineData("\u3164\u115F\u2800\u034F", "⟦U+3164⟧⟦U+115F⟧⟦U+2800⟧⟦U+034F⟧")]
    public void What_hides_or_turns_text_round_is_shown_by_its_number(string text, string shown) => Assert.Equal(shown, Visible.Text(text));

    [Fact]
    public void Half_of_a_pair_is_shown_by_its_number() => Assert.Equal("a⟦U+D83D⟧b⟦U+DC8C⟧", Visible.Text("a" + (char)0xD83D + "b" + (char)0xDC8C));

    [Fact]
    public void Every_hole_is_encoded_and_only_pieces_are_not()
    {
        const string text = "<&\"'>\u202E";
        Markup inner = $"<b>{text}</b>";
        Markup all = $"""<p title="{text}">{inner}{new[] { inner }}{1234}</p><input value="{text:exact}">""";

        const string encoded = "&lt;&amp;&quot;&#x27;&gt;";
        const string shown = encoded + "&#x27E6;U&#x2B;202E&#x27E7;";
        Assert.Equal($"""<p title="{shown}"><b>{shown}</b><b>{shown}</b>1,234</p><input value="{encoded}&#x202E;">""", all.ToString());
    }

    [Fact]
    public void A_view_comes_back_from_its_text()
    {
        var view = new View
        {
            Queue = Attack,
            After = Attack,
            Filter = new()
            {
                Reason = DeadLetterReason.RedeliveredTooOften,
                ExceptionType = Attack,
                MessageType = "a&b=c",
                MessageId = "+ %",
                From = new(2026, 11, 26, 12, 0, 0, 0, 7, TimeSpan.Zero),
                Until = DateTimeOffset.MaxValue,
            },
        };

        Assert.Equal(view, View.Parse(view.ToQuery()));
        Assert.Equal(view with { After = null }, View.Parse(view.ToQuery("at")));
    }

    [Theory]
    [InlineData("2026-11-26", 0)]
    [InlineData("2026-11-26T01:00", 60)]
    [InlineData("2026-11-26T01:00:30", 60.5)]
    [InlineData("2026-11-26T01:00:30.5", 60.508333333)]
    [InlineData("2026-11-26T01:00:30Z", 60.5)]
    [InlineData("2026-11-26T02:00:30+01:00", 60.5)]
    public void A_time_is_in_UTC(string text, double minutes)
    {
        var from = View.Parse($"queue=q&from={Uri.EscapeDataString(text)}").Filter.From;

        Assert.Equal(minutes, (from!.Value - new DateTimeOffset(2026, 11, 26, 0, 0, 0, TimeSpan.Zero)).TotalMinutes, 1e-6);
    }

    /// <summary>Nothing but our own elements and attributes, addresses of our own, no script, no character that turns text round outside a field to edit.</summary>
    private static void AssertHarmless(IDocument page, int times)
    {
        foreach (var element in page.All)
        {
            Assert.Contains(element.LocalName, Elements);
            foreach (var attribute in element.Attributes)
            {
                Assert.Contains(attribute.Name, Attributes);
                Assert.True(
                    attribute.Name is not ("href" or "action") || attribute.Value is "./" or "style.css" || attribute.Value.Split('?')[0] is "letters" or "letter" or "export" or "body" or "run" or "edit" or "import" or "stop",
                    $"{attribute.Name} is {attribute.Value}");
            }
        }

        var text = page.DocumentElement.TextContent;
        Assert.DoesNotContain(text, static c => c is '\u202E' or '\u2066' or '\u200B' or '\u0007' or '\u2028');
        Assert.True(text.Split("<script>alert(1)</script>\"><img src=x onerror=alert(1)>").Length > times, $"{page.Url} shows it {text.Split("<script>alert(1)").Length - 1} times");
    }

    private sealed class Named(
        Microsoft.Extensions.Options.IOptionsMonitor<AuthenticationSchemeOptions> options, Microsoft.Extensions.Logging.ILoggerFactory log, System.Text.Encodings.Web.UrlEncoder encoder)
        : AuthenticationHandler<AuthenticationSchemeOptions>(options, log, encoder)
    {
        protected override Task<AuthenticateResult> HandleAuthenticateAsync() => Task.FromResult(AuthenticateResult.Success(
            new(new(new System.Security.Claims.ClaimsIdentity([new(System.Security.Claims.ClaimTypes.Name, Attack)], "named")), Scheme.Name)));
    }
}
