using System.Net;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Dashboard.Tests.Support;

namespace Postrider.Dashboard.Tests;

/// <summary>No change without a form of the page itself, and none by an address that somebody follows.</summary>
public sealed class ForgeryTests
{
    private static readonly string[] Changes = ["letters", "edit", "import", "stop"];

    [Fact]
    public async Task Without_the_token_nothing_is_changed()
    {
        await using var app = await ActionTests.FailingAsync(2);

        foreach (var change in Changes)
        {
            var answer = await app.Client.PostAsync($"/dead-letters/{change}", new FormUrlEncodedContent(new Dictionary<string, string>
            {
                ["view"] = "queue=orders",
                ["do"] = "discard-all",
                ["sure"] = "yes",
                ["at"] = "1",
                ["body"] = "x",
                ["__RequestVerificationToken"] = "forged",
            }));

            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
            Assert.Contains("The form is not valid any more", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        Assert.Equal(["1", "2"], await ActionTests.IdsAsync(app, "orders"));
    }

    [Fact]
    public async Task A_change_cannot_be_asked_for_by_an_address_or_by_what_is_no_form()
    {
        await using var app = await ActionTests.FailingAsync(1);

        var get = await app.Client.GetAsync("/dead-letters/letters?queue=orders&view=queue%3Dorders&do=discard-all&sure=yes");
        var json = await app.PostAsync("/dead-letters/letters", new StringContent("{\"do\":\"discard-all\"}", null, "application/json"));

        Assert.Equal(HttpStatusCode.OK, get.StatusCode);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, json.StatusCode);
        foreach (var change in Changes.Skip(1))
        {
            Assert.Equal(HttpStatusCode.MethodNotAllowed, (await app.Client.GetAsync($"/dead-letters/{change}")).StatusCode);
        }

        Assert.Equal(["1"], await ActionTests.IdsAsync(app, "orders"));
    }

    [Fact]
    public async Task A_file_that_the_server_does_not_take_is_told()
    {
        await using var app = await ActionTests.FailingAsync(1, services: static services => services.Configure<KestrelServerOptions>(static options => options.Limits.MaxRequestBodySize = 10_000));

        // Without a token, as its absence is not what is wrong here.
        var answer = await app.Client.PostAsync("/dead-letters/import", new MultipartFormDataContent
        {
            { new StringContent("queue=orders"), "view" }, { new ByteArrayContent(new byte[20_000]), "file", "file.ndjson" },
        });

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
        Assert.Contains("10000 bytes", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("view=queue%3Dorders&do=nothing", "It is not said what to do")]
    [InlineData("view=queue%3Dorders&do=discard-selected", "None is selected")]
    [InlineData("view=queue%3Dorders&do=move-all", "Name the queue to move to")]
    [InlineData("view=queue%3Dorders&do=replay-all&rate=-1", "'-1' is no rate")]
    [InlineData("view=queue%3Dorders&do=replay-all&rate=NaN", "'NaN' is no rate")]
    [InlineData("view=&do=discard-all&sure=yes", "No queue is named")]
    [InlineData("view=queue%3Dorders%26reason%3Dexhaustd&do=discard-all&sure=yes", "There is no reason 'exhaustd'")]
    [InlineData("view=queue%3Dorders%26until%3D01/02/2026&do=discard-all&sure=yes", "'01/02/2026' is no time")]
    [InlineData("view=queue%3Dorders%26type%3Da%26type%3Db&do=discard-all&sure=yes", "'type' is given 2 times")]
    [InlineData("view=queue%3DOr%27ders&do=discard-all&sure=yes", "is illegal")]
    public async Task What_cannot_be_understood_changes_nothing_and_is_named(string form, string why)
    {
        await using var app = await ActionTests.FailingAsync(1);

        var answer = await app.PostAsync("/dead-letters/letters", new StringContent(form, null, "application/x-www-form-urlencoded"));
        var text = WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync());
        if (answer.Headers.Location is { } run)
        {
            text = (await app.OpenAsync($"/dead-letters/{run}")).Text();
        }
        else
        {
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        }

        Assert.Contains(why, text, StringComparison.Ordinal);
        Assert.Equal(["1"], await ActionTests.IdsAsync(app, "orders"));
    }
}
