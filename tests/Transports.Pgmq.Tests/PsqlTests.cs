using System.Text;
using System.Text.Json;
using Npgsql;
using Postrider.Brokers;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>psql, with PGMQ's functions.</summary>
public sealed class PsqlTests(Database database) : OtherClientTests, IClassFixture<Database>
{
    private const string Psql = "/usr/bin/psql";

    protected override Task RequireAsync()
    {
        Database.Require();
        return OtherClient.RequireAsync(Psql, "--version");
    }

    protected override MessagingBuilder Use(MessagingBuilder builder) => builder.UsePgmq(database.ConnectionString);

    protected override Task SendAsync(string queue, string body, params (string Name, string Value)[] headers) =>
        RunAsync("select pgmq.send(:'table', :'body'::jsonb, :'headers'::jsonb);", ("table", TableName.Of(queue)), ("body", body), ("headers", Json(headers)));

    protected override async Task PublishAsync(string topic, string body, params (string Name, string Value)[] headers)
    {
        const string Sql = "select postrider.publish('{true}', array[:'topic'], array[:'body'::jsonb], array[:'headers'::jsonb], '{0}');";
        Assert.Equal("{1}", (await RunAsync(Sql, ("topic", topic), ("body", body), ("headers", Json([("x-postrider-topic", topic), .. headers])))).Trim());
    }

    protected override async Task<(string Body, IReadOnlyDictionary<string, string> Headers)> TakeAsync(string queue)
    {
        var row = JsonElement.Parse(Encoding.UTF8.GetBytes(await RunAsync("select to_jsonb(m) from pgmq.pop(:'table') m;", ("table", TableName.Of(queue)))));
        return (row.GetProperty("message").GetRawText(), row.GetProperty("headers").EnumerateObject().ToDictionary(static one => one.Name, static one => one.Value.ToString()));
    }

    private static string Json((string Name, string Value)[] headers) => JsonSerializer.Serialize(headers.ToDictionary(static one => one.Name, static one => one.Value));

    private Task<string> RunAsync(string sql, params (string Name, string Value)[] values)
    {
        var to = new NpgsqlConnectionStringBuilder(database.ConnectionString);
        string[] arguments =
        [
            "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1",
            $"--host={to.Host}", $"--port={to.Port}", $"--username={to.Username}", $"--dbname={to.Database}",
            .. values.Select(static value => $"--set={value.Name}={value.Value}"),
        ];
        return OtherClient.RunAsync(Psql, sql, new Dictionary<string, string> { ["PGPASSWORD"] = to.Password!, ["PGCLIENTENCODING"] = "UTF8" }, arguments);
    }
}
